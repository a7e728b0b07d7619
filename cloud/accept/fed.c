/* Which gateway fed which device, by day. */
#include "cloud/accept/accept_priv.h"

int accept_fed(struct accept *accept, const struct delivery *delivery, struct cache_entry *entry,
	       int64_t at_ms)
{
	size_t known = sizeof(entry->fed) / sizeof(entry->fed[0]);
	int64_t day;
	int r;

	/* What nobody can date was fed when it came, or before: that day has to do. */
	if (at_ms == MODEL_NO_TIME || at_ms == COREDB_UNDATED)
		at_ms = delivery->received_ms;
	day = coredb_day(at_ms);
	for (size_t i = 0; i < known; i++) {
		if (entry->fed[i].gateway == delivery->gateway && entry->fed[i].day == day)
			return 0;
	}
	r = coredb_fed_add(accept->db, delivery->gateway, entry->device.id, at_ms);
	if (r)
		return accept_fail(accept, r, "devices of a gateway");
	entry->fed[entry->fed_next].gateway = delivery->gateway;
	entry->fed[entry->fed_next].day = day;
	entry->fed_next = (entry->fed_next + 1) % (unsigned)known;
	return 0;
}
