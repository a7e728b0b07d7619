#include <string.h>

#include "tests/conformance/conformance.h"

/* The first that fits is it. */
const struct conform_kind conform_kinds[] = {
	{.name = "obd_cases",
	 .keys = "request_header request response_raw format expected",
	 .take = conform_obd_case},
	{.name = "elm_garbled",
	 .keys = "request_header request response_raw strict_values complete_messages",
	 .take = conform_garbled},
	{.name = "elm_grammar", .keys = "cases/sent cases/raw cases/kind", .take = conform_grammar},
	{.name = "ev_pids",
	 .keys = "vehicles/commands",
	 .take = conform_ev_pids,
	 .begin = conform_ev_pids_begin,
	 .end = conform_ev_pids_end},
	{.name = "uds", .keys = "log results", .take = conform_uds},
	{.name = "j1939_cases", .keys = "frame pgn spn expected", .take = conform_j1939_case},
	{.name = "j1939_log", .keys = "log signals transport", .take = conform_j1939_log},
	{.name = "j1939_spns", .keys = "pgns/pgn", .take = conform_j1939_spns},
	{.name = "j1939_indicators", .keys = "cases/bits", .take = conform_j1939_indicators},
	{.name = "j1939_transport", .keys = "payload bam rts_cts", .take = conform_j1939_transport},
	{.name = "nmea", .keys = "file fixes expect_no_fix", .take = conform_nmea},
	{.name = "provider", .keys = "file repo licence", .lists = true},
	{.name = NULL},
};

static bool has_key(const struct jr_value *first, const char *key, size_t len)
{
	char name[64];
	char *inner;

	if (len >= sizeof(name))
		return false;
	memcpy(name, key, len);
	name[len] = '\0';
	inner = strchr(name, '/');
	if (inner) {
		*inner++ = '\0';
		return jr_get(jr_at(jr_get(first, name), 0), inner) != NULL;
	}
	return jr_get(first, name) != NULL;
}

static bool has_keys(const struct jr_value *first, const char *keys)
{
	while (*keys) {
		const size_t len = strcspn(keys, " ");

		if (!has_key(first, keys, len))
			return false;
		keys += len;
		keys += strspn(keys, " ");
	}
	return true;
}

const struct conform_kind *conform_kind_of(const struct jr_value *first)
{
	if (jr_type(first) == JR_ARRAY)
		first = jr_at(first, 0);
	for (const struct conform_kind *kind = conform_kinds; kind->name; kind++)
		if (has_keys(first, kind->keys))
			return kind;
	return NULL;
}
