/* Trouble codes and calibration ids. */
#include <stdio.h>
#include <string.h>

#include "agent/protocol/dtc.h"
#include "agent/source/obd_priv.h"

#define CODES_MAX 255 /* the model's list; more are counted as rejected */
#define CALIBRATIONS_MAX 8

/* What a service 19 says of status: which bits make a code one of that kind. */
static uint8_t status_of(enum profile_kind kind)
{
	return kind == PROFILE_KIND_DTC_PENDING ? DTC_PENDING : DTC_CONFIRMED;
}

struct codes {
	char text[CODES_MAX * DTC_TEXT_SIZE]; /* each with its NUL */
	size_t len;
	size_t count;
};

static bool has_code(const struct codes *codes, const char *text)
{
	for (size_t at = 0; at < codes->len; at += strlen(codes->text + at) + 1)
		if (strcmp(codes->text + at, text) == 0)
			return true;
	return false;
}

/* Several units may have the same code: it is told once. */
static void add_code(struct obd *obd, struct codes *codes, const struct dtc *dtc)
{
	char text[DTC_TEXT_SIZE];
	size_t len;

	dtc_text(dtc, text);
	if (has_code(codes, text))
		return;
	if (codes->count == CODES_MAX) {
		obd->report.rejected++;
		return;
	}
	len = strlen(text) + 1;
	memcpy(codes->text + codes->len, text, len);
	codes->len += len;
	codes->count++;
}

/* Returns how many codes there are, negative where the answer is not what it should be. */
static int take_codes(struct obd *obd, const struct profile_command *command,
		      const struct obd_answer *answer, struct codes *codes)
{
	const bool uds = command->request[0] == 0x19;
	struct dtc dtcs[CODES_MAX];
	const int count = uds ? dtc_decode_uds(answer->data, answer->len, dtcs, CODES_MAX)
			      : dtc_decode_obd(answer->data, answer->len,
					       obd_bus_is_can(obd->bus) || obd->bus->protocol > 9,
					       dtcs, CODES_MAX);

	for (int i = 0; i < count && i < CODES_MAX; i++)
		if (!uds || dtcs[i].status & status_of(command->kind) ||
		    command->kind == PROFILE_KIND_DTC_PERMANENT)
			add_code(obd, codes, &dtcs[i]);
	if (count > CODES_MAX)
		obd->report.rejected += count - CODES_MAX;
	return count;
}

static int take_dtcs(struct obd *obd, const struct profile_command *command,
		     const struct obd_answer *answers, size_t count)
{
	struct codes codes = {.len = 0};
	size_t usable = 0;

	for (size_t i = 0; i < count; i++) {
		if (take_codes(obd, command, &answers[i], &codes) < 0)
			obd->report.rejected++;
		else
			usable++;
	}
	/* A list that lacks a unit is not the vehicle's. */
	if (usable < count || usable == 0)
		return -1;
	return obd_reading_dtcs(obd->reading, command->kind, codes.text, codes.len, &obd->update);
}

static int take_calibrations(struct obd *obd, const struct obd_answer *answers, size_t count)
{
	char ids[CALIBRATIONS_MAX][OBD2_CALIBRATION_SIZE];
	char *out = obd->report.calibration;
	const size_t size = sizeof(obd->report.calibration);
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		const int n = obd2_decode_calibrations(answers[i].data, answers[i].len, ids,
						       CALIBRATIONS_MAX);

		for (int k = 0; k < n && k < CALIBRATIONS_MAX && len + OBD2_CALIBRATION_SIZE < size;
		     k++)
			len += (size_t)snprintf(out + len, size - len, "%s%s", len ? " " : "",
						ids[k]);
	}
	return len ? 0 : -1;
}

int obd_take_list(struct obd *obd, const struct profile_command *command,
		  const struct obd_answer *answers, size_t count)
{
	switch (command->kind) {
	case PROFILE_KIND_DTC_CONFIRMED:
	case PROFILE_KIND_DTC_PENDING:
	case PROFILE_KIND_DTC_PERMANENT:
		return take_dtcs(obd, command, answers, count);
	case PROFILE_KIND_CALIBRATION:
		return take_calibrations(obd, answers, count);
	default:
		return 0;
	}
}
