/* Rows with a defective reply: which messages and which values a strict reader may take of it.
 *
 * A case is a value that was recorded or may be given. A row whose messages differ is one more wrong
 * case (or withheld, where there are fewer than may be).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/conformance/obd_path.h"

struct taking {
	int64_t count;
	uint8_t last[ELM327_POOL];
	size_t len;
};

static void take_answer(void *arg, uint32_t id, const uint8_t *data, size_t len)
{
	struct taking *taking = arg;

	(void)id;
	taking->count++;
	taking->len = len < sizeof(taking->last) ? len : sizeof(taking->last);
	memcpy(taking->last, data, taking->len);
}

static int judge_messages(struct conform_run *run, const struct jr_value *row,
			  const struct taking *taking)
{
	const char *payload = conform_text(row, "last_payload");
	uint8_t want[ELM327_POOL];
	int64_t count = 0;
	size_t len = 0;

	if (!jr_integer(jr_get(row, "complete_messages"), &count))
		return conform_bad(run, NULL, "\"complete_messages\": expected an integer");
	if (payload && !conform_hex_bytes(payload, want, sizeof(want), &len))
		return conform_bad(run, jr_get(row, "last_payload"), "expected hex digits");
	if (taking->count < count)
		conform_withheld(run, "%" PRId64 " of %" PRId64 " messages", taking->count, count);
	else if (taking->count > count)
		conform_wrong(run, "%" PRId64 " messages, expected %" PRId64, taking->count, count);
	else if (taking->len != len || memcmp(taking->last, want, len) != 0)
		conform_wrong(run, "the last message is not %s", payload ? payload : "none");
	return 0;
}

struct judging {
	struct conform_run *run;
	const struct jr_value *row;
	const struct obd_path *path;
	const struct taking *taking;
};

/* A value that has a format: exactly the strict ones may be given. */
static int judge_format(void *arg, const char *key, size_t key_len, const struct jr_value *format)
{
	const struct judging *judging = arg;
	const struct jr_value *strict = jr_get(jr_get(judging->row, "strict_values"), key);
	struct profile_value value;
	const bool given = judging->taking->count > 0 &&
			   obd_path_value(judging->path, key, judging->taking->last,
					  judging->taking->len, &value);

	(void)key_len;
	(void)format;
	if (!given) {
		if (strict || jr_get(jr_get(judging->row, "recorded_values"), key))
			conform_withheld(judging->run, "%s: %s", key,
					 strict ? "expected" : "recorded");
	} else if (!strict) {
		conform_wrong(judging->run, "%s: %.9g where none may be", key, value.number);
	} else if (!conform_same_number(strict, value.number)) {
		conform_wrong(judging->run, "%s: %.9g", key, value.number);
	} else {
		conform_right(judging->run);
	}
	return 0;
}

/* Values without a format cannot be given. */
static int judge_recorded(void *arg, const char *key, size_t key_len, const struct jr_value *value)
{
	const struct judging *judging = arg;

	(void)key_len;
	(void)value;
	if (!jr_get(jr_get(judging->row, "formats"), key))
		conform_withheld(judging->run, "%s: recorded", key);
	return 0;
}

int conform_garbled(struct conform_run *run, const struct jr_value *row)
{
	const char *raw = conform_need_text(run, row, "response_raw");
	static struct obd_path path;
	static struct taking taking;
	struct judging judging = {.run = run, .row = row, .path = &path, .taking = &taking};
	int err;

	if (!raw)
		return -EINVAL;
	err = obd_path_open(run, row, &path);
	if (err)
		return err;
	taking.count = 0;
	taking.len = 0;
	obd_path_feed(&path, raw, take_answer, &taking);
	err = judge_messages(run, row, &taking);
	if (!err) {
		(void)jr_each(jr_get(row, "formats"), judge_format, &judging);
		(void)jr_each(jr_get(row, "recorded_values"), judge_recorded, &judging);
	}
	obd_path_close(&path);
	return err;
}
