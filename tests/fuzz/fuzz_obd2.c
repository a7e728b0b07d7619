/* What an ECU may answer: parameters, bitmaps, several at once, identification, trouble codes.
 *
 * An input is the length of a request (its low three bits), the request, the answer. Whatever these
 * are, what comes out stands in the answer, and nothing is read twice.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/protocol/diag.h"
#include "agent/protocol/dtc.h"
#include "agent/protocol/elm327_gate.h"
#include "agent/protocol/obd2.h"
#include "agent/protocol/uds.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ROOM 8

struct input {
	uint8_t request[7];
	size_t request_len;
	const uint8_t *answer;
	size_t len;
};

static void check(int right)
{
	if (!right)
		abort();
}

static int stands_in(const struct input *in, const void *text, size_t len)
{
	for (size_t at = 0; at + len <= in->len; at++)
		if (memcmp(in->answer + at, text, len) == 0)
			return 1;
	return 0;
}

static void check_text(const struct input *in, const char *text, size_t size)
{
	const size_t len = strnlen(text, size);

	check(len < size && stands_in(in, text, len));
	for (size_t i = 0; i < len; i++)
		check(text[i] >= 0x20 && text[i] <= 0x7e);
}

/* ---- service 01 ---- */

static void check_part(const struct input *in, const struct obd2_part *part)
{
	check(part->len >= 2 && part->len <= sizeof(part->answer) && part->answer[0] == 0x41);
	check(memchr(in->request + 1, part->answer[1], in->request_len - 1) != NULL);
	check(stands_in(in, part->answer + 1, part->len - 1U));
	check(in->request_len == 2 || obd2_pid_bytes(part->answer[1]) + 2 == part->len);
}

static void check_split(const struct input *in)
{
	struct obd2_part parts[OBD2_MULTI_MAX];
	const int count =
		obd2_multi_split(in->request, in->request_len, in->answer, in->len, parts);
	uint8_t seen[256] = {0};
	size_t total = 1;

	check(count != 0 && count <= OBD2_MULTI_MAX);
	if (count < 0)
		return;
	check(in->request_len >= 2 && (size_t)count < in->request_len && in->request[0] == 0x01);
	for (int i = 0; i < count; i++) {
		check_part(in, &parts[i]);
		check(in->request_len == 2 || !seen[parts[i].answer[1]]++);
		total += parts[i].len - 1U;
	}
	check(total == in->len);
}

static void check_request(const struct input *in)
{
	uint8_t out[1 + OBD2_MULTI_MAX];
	char text[OBD2_TEXT_SIZE];
	const int len = obd2_multi_request(in->request, in->request_len, out);

	if (len > 0)
		check((size_t)len == in->request_len + 1 && obd2_request_allowed(out, (size_t)len));
	check(!obd2_request_text(in->request, in->request_len, text) ==
	      obd2_request_allowed(in->request, in->request_len));
	for (unsigned extension = 0; extension < 9; extension++)
		check(!diag_extended_allowed((uint8_t)extension, in->request, in->request_len) ||
		      (obd2_request_allowed(in->request, in->request_len) &&
		       !(extension >= 1 && extension <= 7 && in->request_len == 4)));
}

static void check_values(const struct input *in)
{
	struct obd2_support support = {{0}};

	for (unsigned pid = 0; pid < 256; pid++)
		if (obd2_decode_support((uint8_t)pid, in->answer, in->len, &support) == 0)
			check(pid % 0x20 == 0 && in->len == 6);
}

/* ---- texts ---- */

static void check_texts(const struct input *in)
{
	char vin[OBD2_VIN_SIZE];
	char name[OBD2_ECU_NAME_SIZE];
	char text[UDS_TEXT_SIZE];
	char ids[ROOM][OBD2_CALIBRATION_SIZE];
	uint32_t numbers[ROOM];
	int count;

	if (obd2_decode_vin(in->answer, in->len, vin) == 0) {
		check_text(in, vin, sizeof(vin));
		check(strspn(vin, "0123456789ABCDEFGHJKLMNPRSTUVWXYZ") == 17);
	}
	if (obd2_decode_ecu_name(in->answer, in->len, name) == 0)
		check(strlen(name) > 0 && strlen(name) < sizeof(name));
	for (size_t echo = 0; echo <= 3; echo++)
		if (uds_decode_text(in->answer, in->len, echo, text) == 0)
			check_text(in, text, sizeof(text));
	count = obd2_decode_calibrations(in->answer, in->len, ids, ROOM);
	for (int i = 0; i < count && i < ROOM; i++)
		check_text(in, ids[i], sizeof(ids[i]));
	count = obd2_decode_verifications(in->answer, in->len, numbers, ROOM);
	check(count < 0 || (size_t)count * 4 + 3 == in->len);
}

/* ---- trouble codes ---- */

static void check_codes(const struct input *in, const struct dtc *codes, int count)
{
	check(count <= (int)(in->len / 2));
	for (int i = 0; i < count && i < ROOM; i++) {
		const uint8_t code[] = {(uint8_t)(codes[i].code >> 8), (uint8_t)codes[i].code};
		char text[DTC_TEXT_SIZE];

		check(stands_in(in, code, sizeof(code)) && (codes[i].code || codes[i].failure));
		dtc_text(&codes[i], text);
		check(strchr("PCBU", text[0]) && text[1] <= '3');
		check(strlen(text) == (codes[i].failure ? 8 : 5));
	}
}

static void check_dtcs(const struct input *in)
{
	struct dtc codes[ROOM];

	check_codes(in, codes, dtc_decode_obd(in->answer, in->len, true, codes, ROOM));
	check_codes(in, codes, dtc_decode_obd(in->answer, in->len, false, codes, ROOM));
	check_codes(in, codes, dtc_decode_uds(in->answer, in->len, codes, ROOM));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {.request_len = size ? data[0] & 7 : 0};

	if (size < 1 + in.request_len)
		return 0;
	memcpy(in.request, data + 1, in.request_len);
	in.answer = data + 1 + in.request_len;
	in.len = size - 1 - in.request_len;
	check_split(&in);
	check_request(&in);
	check_values(&in);
	check_texts(&in);
	check_dtcs(&in);
	if (in.len)
		check(strlen(uds_nrc(in.answer[0])->sentence) > 0);
	return 0;
}
