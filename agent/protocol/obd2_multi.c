#include <stdbool.h>
#include <string.h>

#include "agent/protocol/obd2.h"

/* By PID, 16 a line. Zero: no parameter, not known, or not always the same. */
static const uint8_t bytes_of[] = {
	4, 4, 2, 2, 1,  1,  0, 0, 0,  0,  1,  1, 2,  1, 1, 1,  /* 00 */
	2, 1, 1, 1, 2,  2,  2, 2, 2,  2,  2,  2, 1,  1, 1, 2,  /* 10 */
	4, 2, 2, 2, 4,  4,  4, 4, 4,  4,  4,  4, 1,  1, 1, 1,  /* 20 */
	1, 2, 2, 1, 4,  4,  4, 4, 4,  4,  4,  4, 2,  2, 2, 2,  /* 30 */
	4, 4, 2, 2, 2,  1,  1, 1, 1,  1,  1,  1, 1,  2, 2, 4,  /* 40 */
	4, 1, 1, 2, 2,  0,  0, 0, 0,  2,  1,  1, 1,  2, 2, 1,  /* 50 */
	4, 1, 1, 2, 5,  2,  5, 3, 7,  7,  5,  5, 5,  0, 0, 3,  /* 60 */
	0, 0, 5, 5, 5,  7,  7, 5, 9,  9,  7,  7, 9,  1, 1, 13, /* 70 */
	4, 0, 0, 0, 1,  10, 5, 5, 13, 41, 41, 7, 0,  1, 1, 0,  /* 80 */
	3, 5, 2, 3, 12, 0,  0, 0, 9,  9,  6,  4, 17, 4, 2, 9,  /* 90 */
	4, 9, 2, 9, 4,  4,  4, 0, 0,  0,  0,  0, 0,  0, 0, 0,  /* A0 */
	0, 0, 0, 0, 0,  0,  0, 0, 0,  0,  0,  0, 0,  0, 0, 0,  /* B0 */
	4,                                                     /* C0 */
};

uint8_t obd2_pid_bytes(uint8_t pid)
{
	return pid < sizeof(bytes_of) ? bytes_of[pid] : 0;
}

int obd2_multi_request(const uint8_t *pids, size_t count, uint8_t out[static 1 + OBD2_MULTI_MAX])
{
	size_t bitmaps = 0;

	if (count == 0 || count > OBD2_MULTI_MAX)
		return OBD2_E_VALUE;
	for (size_t i = 0; i < count; i++) {
		if (count > 1 && obd2_pid_bytes(pids[i]) == 0)
			return OBD2_E_UNKNOWN;
		if (memchr(pids, pids[i], i))
			return OBD2_E_VALUE;
		bitmaps += pids[i] % 0x20 == 0;
	}
	if (bitmaps != 0 && bitmaps != count)
		return OBD2_E_VALUE;
	out[0] = 0x01;
	memcpy(out + 1, pids, count);
	return (int)count + 1;
}

/* The whole answer to a single PID: its length need not be known. */
static int take_single(const uint8_t *answer, size_t len, struct obd2_part *part)
{
	if (len > sizeof(part->answer))
		return OBD2_E_SHORT;
	memcpy(part->answer, answer, len);
	part->len = (uint8_t)len;
	return 1;
}

/* The part that begins at `at` with its PID. */
static int take_part(const uint8_t *at, size_t left, struct obd2_part *part)
{
	const size_t bytes = obd2_pid_bytes(at[0]);

	if (bytes == 0)
		return OBD2_E_UNKNOWN;
	if (left < 1 + bytes)
		return OBD2_E_SHORT;
	part->answer[0] = 0x41;
	memcpy(part->answer + 1, at, 1 + bytes);
	part->len = (uint8_t)(2 + bytes);
	return 0;
}

static bool is_taken(const struct obd2_part *parts, int count, uint8_t pid)
{
	for (int i = 0; i < count; i++)
		if (parts[i].answer[1] == pid)
			return true;
	return false;
}

int obd2_multi_split(const uint8_t *request, size_t request_len, const uint8_t *answer, size_t len,
		     struct obd2_part parts[static OBD2_MULTI_MAX])
{
	int count = 0;

	if (request_len < 2 || request_len > 1 + OBD2_MULTI_MAX || request[0] != 0x01)
		return OBD2_E_ECHO;
	if (len < 2 || answer[0] != 0x41)
		return OBD2_E_ECHO;
	if (request_len == 2)
		return answer[1] == request[1] ? take_single(answer, len, &parts[0]) : OBD2_E_ECHO;
	/* No more parts than PIDs that were asked for, as none is taken twice. */
	for (size_t at = 1; at < len; at += parts[count++].len - 1U) {
		int r;

		if (!memchr(request + 1, answer[at], request_len - 1) ||
		    is_taken(parts, count, answer[at]))
			return OBD2_E_ECHO;
		r = take_part(answer + at, len - at, &parts[count]);
		if (r)
			return r;
	}
	return count;
}
