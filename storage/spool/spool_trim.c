/* Caps: what has to be given up when too much is held, or for too long. */
#include "storage/spool/spool_priv.h"

/* A cap is met with some room to spare (1/32), so that a full spool does not write a ledger batch
 * for each batch that comes in: ledger batches are never dropped and would fill it in the end. */
#define ROOM_SHIFT 5

/* By size. */

/* The oldest batch of a class on a floor: 1, 0 or -errno. Where to look begins at what was found last:
 * batches of a class come to a floor in the order of their ids. */
static int oldest(struct spool *spool, enum floor_name floor, int class, int64_t *ret_id)
{
	struct sql_stmt *stmt;
	int r;

	if (!spool->sql[floor])
		return 0;
	stmt = sql_stmt(spool->sql[floor],
			"SELECT id FROM batch WHERE id >= $1 AND class = $2 ORDER BY id");
	sql_bind_int(stmt, 1, spool->now.from[floor][class]);
	sql_bind_int(stmt, 2, class);
	do {
		r = sql_step(stmt);
		if (r == 1)
			*ret_id = sql_int(stmt, 0);
	} while (r == 1 && floor == DISK && spool_doomed(spool, *ret_id));
	sql_done(stmt);
	if (r < 0)
		return spool_fail_sql(spool, floor, r);
	if (r == 1)
		spool->now.from[floor][class] = *ret_id;
	return r;
}

/* The floor of the two that has the older one; a disk that refuses is left alone. */
static int find_oldest(struct spool *spool, int class, bool young_only, struct drop_choice *choice)
{
	int64_t young = INT64_MAX, disk = INT64_MAX;
	int r, found;

	r = oldest(spool, YOUNG, class, &young);
	if (r < 0)
		return r;
	found = r;
	if (!young_only && spool_disk_well(spool)) {
		r = oldest(spool, DISK, class, &disk);
		if (r < 0)
			(void)spool_disk_failed(spool, r);
		found |= r == 1;
	}
	choice->floor = young < disk ? YOUNG : DISK;
	choice->range.first = young < disk ? young : disk;
	return found;
}

/* 1 something of these classes went, 0 there is nothing (more), -errno. */
static int drop_oldest(struct spool *spool, int first_class, int last_class, bool young_only,
		       struct drop_choice *choice)
{
	int64_t last = 0;
	int class, r;

	for (class = first_class; class <= last_class; class ++) {
		r = find_oldest(spool, class, young_only, choice);
		if (r < 0)
			return r;
		if (r == 0)
			continue;
		choice->range.last = choice->range.first | NUMBER_MAX;
		choice->first_class = class;
		choice->last_class = class;
		r = spool_drop_some(spool, choice, &last);
		if (r == 1)
			spool->now.from[choice->floor][class] = last + 1;
		return r;
	}
	return 0;
}

static int64_t bytes_of(const struct spool *spool, int first_class, int last_class)
{
	int64_t bytes = 0;
	int class;

	for (class = first_class; class <= last_class; class ++)
		bytes += spool->now.held[YOUNG][class].bytes + spool->now.held[DISK][class].bytes;
	return bytes;
}

/* Classes from `first` to `last` hold at most `cap`. What droppable classes cannot give, is not
 * given. */
static int trim_to(struct spool *spool, int64_t cap, int first, int last, int last_droppable)
{
	struct drop_choice choice = {.reason = "spool_full"};
	const int64_t goal = cap - (cap >> ROOM_SHIFT);
	int r = 1;

	if (cap <= 0 || bytes_of(spool, first, last) <= cap)
		return 0;
	while (r == 1 && bytes_of(spool, first, last) > goal) {
		choice.bytes = bytes_of(spool, first, last) - goal;
		r = drop_oldest(spool, first, last_droppable, false, &choice);
	}
	return r < 0 ? r : 0;
}

static int64_t young_bytes(const struct spool *spool)
{
	int64_t bytes = 0;
	int class;

	for (class = 0; class < CLASSES; class ++)
		bytes += spool->now.held[YOUNG][class].bytes;
	return bytes;
}

static int trim_young(struct spool *spool)
{
	const int64_t cap = spool->config.young_max_bytes, goal = cap - (cap >> ROOM_SHIFT);
	struct drop_choice choice = {.reason = "disk_failed"};
	int r = 1;

	if (cap <= 0 || young_bytes(spool) <= cap)
		return 0;
	if (spool_disk_well(spool) && spool_in_budget(spool) &&
	    spool_move(spool, WIRE_CLASS_SAMPLE) == 0)
		return 0;
	if (spool_disk_well(spool))
		choice.reason = "write_budget";
	while (r == 1 && young_bytes(spool) > goal) {
		choice.bytes = young_bytes(spool) - goal;
		r = drop_oldest(spool, WIRE_CLASS_SAMPLE, SPOOL_CLASSES - 1, true, &choice);
	}
	return r < 0 ? r : 0;
}

/* By age. */

static int expire_epoch(struct spool *spool, enum floor_name floor, int64_t seq, int class)
{
	struct drop_choice choice = {
		.floor = floor,
		.range = {id_of(seq, 0), id_of(seq, NUMBER_MAX)},
		.first_class = class,
		.last_class = class,
		.reason = "spool_age",
		.bytes = INT64_MAX,
		.older_than_ms = spool->config.caps[class].age_ms,
	};
	int r;

	do
		r = spool_drop_some(spool, &choice, NULL);
	while (r == 1);
	return r;
}

/* Epoch by epoch, for one whose times are not known must not keep the others. */
static int expire(struct spool *spool, enum floor_name floor, int class)
{
	int64_t seq;
	int r;

	for (seq = 0; (r = spool_next_held(spool, floor, &seq)) == 1; seq++) {
		r = expire_epoch(spool, floor, seq, class);
		if (r)
			return r;
	}
	return r;
}

/* Looked at every hundredth of the smallest cap only, so that ages share ledger batches too. */
static int trim_age(struct spool *spool)
{
	const int64_t now = clock_mono_us(spool->clock);
	int64_t smallest = INT64_MAX;
	int class, r = 0;

	if (now < spool->next_age_check_us)
		return 0;
	for (class = 0; class < SPOOL_CLASSES && r == 0; class ++) {
		if (spool->config.caps[class].age_ms <= 0)
			continue;
		if (spool->config.caps[class].age_ms < smallest)
			smallest = spool->config.caps[class].age_ms;
		r = expire(spool, YOUNG, class);
		if (r == 0 && spool_disk_well(spool))
			r = expire(spool, DISK, class);
	}
	if (r == 0)
		spool->next_age_check_us = smallest == INT64_MAX ? INT64_MAX : now + smallest * 10;
	return r;
}

int spool_trim(struct spool *spool)
{
	int class, r;

	r = trim_age(spool);
	for (class = 0; class < SPOOL_CLASSES && r == 0; class ++)
		r = trim_to(spool, spool->config.caps[class].bytes, class, class, class);
	if (r == 0)
		r = trim_to(spool, spool->config.max_bytes, 0, CLASSES - 1, SPOOL_CLASSES - 1);
	return r ? r : trim_young(spool);
}
