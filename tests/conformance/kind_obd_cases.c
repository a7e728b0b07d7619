/* Rows of one signal: an adapter's whole answer, a format, the value that must come out. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/conformance/obd_path.h"

#define ECUS_MAX 32

struct given {
	uint32_t ecu;
	struct profile_value value;
};

struct taking {
	const struct obd_path *path;
	const char *signal;
	struct given given[ECUS_MAX];
	size_t count;
};

/* The last answer of a control unit counts. */
static void take_answer(void *arg, uint32_t id, const uint8_t *data, size_t len)
{
	struct taking *taking = arg;
	struct profile_value value;
	size_t i = 0;

	if (!obd_path_value(taking->path, taking->signal, data, len, &value))
		return;
	while (i < taking->count && taking->given[i].ecu != id)
		i++;
	if (i == ECUS_MAX)
		return;
	taking->given[i] = (struct given){.ecu = id, .value = value};
	if (i == taking->count)
		taking->count++;
}

static bool is_right(const struct jr_value *expected, const struct profile_value *value)
{
	const char *text = NULL;
	size_t len = 0;

	if (jr_string(expected, &text, &len))
		return value->word && strcmp(value->word, text) == 0;
	return conform_same_number(expected, value->number);
}

static void say_value(const struct profile_value *value, char *out, size_t size)
{
	if (value->word)
		(void)snprintf(out, size, "\"%s\"", value->word);
	else
		(void)snprintf(out, size, "%.9g", value->number);
}

static void say_json(const struct conform_run *run, const struct jr_value *value, char *out,
		     size_t size)
{
	const char *raw = NULL;
	size_t len = 0;

	jr_raw(run->doc, value, &raw, &len);
	(void)snprintf(out, size, "%.*s", (int)len, raw);
}

struct judging {
	struct conform_run *run;
	const struct taking *taking;
	const char *only; /* the one unit that is listened to; NULL: all */
	size_t found, wanted;
	bool wrong;
	char why[200];
};

static int judge_ecu(void *arg, const char *key, size_t key_len, const struct jr_value *expected)
{
	struct judging *judging = arg;
	char want[64], got[64], id[12];

	(void)key_len;
	if (judging->only && strcmp(judging->only, key) != 0)
		return 0;
	judging->wanted++;
	for (size_t i = 0; i < judging->taking->count; i++) {
		const struct given *given = &judging->taking->given[i];

		(void)snprintf(id, sizeof(id), strlen(key) > 3 ? "%08X" : "%03X",
			       (unsigned)given->ecu);
		if (strcmp(id, key) != 0)
			continue;
		judging->found++;
		if (is_right(expected, &given->value))
			return 0;
		judging->wrong = true;
		say_json(judging->run, expected, want, sizeof(want));
		say_value(&given->value, got, sizeof(got));
		(void)snprintf(judging->why, sizeof(judging->why), "%s says %s, expected %s", key,
			       got, want);
	}
	return 0;
}

/* Where a row names who answers, what others said on the bus is not for us. */
static void judge_ecus(struct conform_run *run, const struct jr_value *row,
		       const struct taking *taking)
{
	const struct jr_value *expected = jr_get(row, "expected_by_ecu");
	const char *response = conform_text(row, "response_id");
	struct judging judging = {
		.run = run,
		.taking = taking,
		.only = response && jr_get(expected, response) ? response : NULL,
	};

	(void)jr_each(expected, judge_ecu, &judging);
	if (judging.wrong)
		conform_wrong(run, "%s: %s", taking->signal, judging.why);
	else if (judging.found < taking->count)
		conform_wrong(run, "%s: a value of a unit of which none is expected",
			      taking->signal);
	else if (judging.found < judging.wanted)
		conform_withheld(run, "%s: %zu of %zu units", taking->signal, judging.found,
				 judging.wanted);
	else
		conform_right(run);
}

static void judge_one(struct conform_run *run, const struct jr_value *expected,
		      const struct taking *taking)
{
	char want[64], got[64];

	if (taking->count == 0) {
		conform_withheld(run, "%s: the reply is %s", taking->signal,
				 elm327_kind_name(taking->path->reply.kind));
		return;
	}
	if (taking->count == 1 && is_right(expected, &taking->given[0].value)) {
		conform_right(run);
		return;
	}
	say_json(run, expected, want, sizeof(want));
	say_value(&taking->given[0].value, got, sizeof(got));
	conform_wrong(run, "%s: %s of %zu units, expected %s", taking->signal, got, taking->count,
		      want);
}

int conform_obd_case(struct conform_run *run, const struct jr_value *row)
{
	const struct jr_value *by_ecu = jr_get(row, "expected_by_ecu");
	const char *raw = conform_need_text(run, row, "response_raw");
	const char *signal = conform_need_text(run, row, "signal");
	static struct obd_path path;
	struct taking taking = {.path = &path, .signal = signal};
	int err;

	if (!raw || !signal)
		return -EINVAL;
	if (jr_type(jr_get(row, "format")) != JR_OBJECT)
		return conform_bad(run, NULL, "\"format\": expected an object");
	err = obd_path_open_one(run, row, signal, jr_get(row, "format"), &path);
	if (err)
		return err;
	obd_path_feed(&path, raw, take_answer, &taking);
	if (jr_type(by_ecu) == JR_OBJECT)
		judge_ecus(run, row, &taking);
	else
		judge_one(run, jr_get(row, "expected"), &taking);
	obd_path_close(&path);
	return 0;
}
