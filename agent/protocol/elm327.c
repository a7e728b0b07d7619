#include <string.h>

#include "agent/protocol/diag.h"
#include "agent/protocol/elm327_priv.h"

const char *elm327_kind_name(enum elm327_kind kind)
{
	static const char *const names[] = {
#define X(ident, name) name,
		ELM327_KINDS(X)
#undef X
	};

	return (unsigned)kind < ELM327_KIND_COUNT ? names[kind] : NULL;
}

static bool is_hex(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (elm327_hex_digit(text[i]) < 0)
			return false;
	return len > 0;
}

/* `len` is even and the digits are known to be hex. */
static void hex_bytes(const char *text, size_t len, uint8_t *out)
{
	for (size_t i = 0; i < len; i += 2)
		out[i / 2] =
			(uint8_t)(elm327_hex_digit(text[i]) << 4 | elm327_hex_digit(text[i + 1]));
}

static void read_request(struct elm327_reply *reply)
{
	size_t len = strlen(reply->sent);

	if (!is_hex(reply->sent, len) || len < 2)
		return;
	/* A single digit left over says how many replies to wait for. */
	len -= len % 2;
	hex_bytes(reply->sent, len, reply->request);
	reply->request_len = (uint8_t)(len / 2);
	reply->echo_len = diag_echo_len(reply->request, reply->request_len);
}

void elm327_begin(struct elm327_reply *reply, const char *sent, const struct elm327_config *config)
{
	size_t n = 0;

	memset(reply, 0, sizeof(*reply));
	reply->config = *config;
	for (; *sent && n < ELM327_COMMAND_MAX; sent++)
		if (*sent != ' ')
			reply->sent[n++] = elm327_upper(*sent);
	read_request(reply);
}

static void note(struct elm327_reply *reply, enum elm327_kind kind)
{
	if (kind > reply->worst)
		reply->worst = kind;
}

static void keep_text(struct elm327_reply *reply, const char *line)
{
	size_t len = strlen(line);

	if (len >= sizeof(reply->text))
		len = sizeof(reply->text) - 1;
	memcpy(reply->text, line, len);
	reply->text[len] = '\0';
}

/* ---- lines ---- */

static bool take_header_line(struct elm327_reply *reply, const char *line, size_t len)
{
	uint8_t digits = reply->config.id_digits;
	uint8_t data[ISOTP_FRAME_MAX] = {0};
	uint32_t id = 0;

	/* Data has an even number of digits, so the parity tells 3 from 8. */
	if (digits == 0)
		digits = len % 2 ? 3 : 8;
	if (len <= digits || (len - digits) % 2 || len - digits > 2 * sizeof(data))
		return false;
	for (size_t i = 0; i < digits; i++)
		id = id << 4 | (uint32_t)elm327_hex_digit(line[i]);
	if (id > (digits == 3 ? UINT32_C(0x7ff) : UINT32_C(0x1fffffff)) ||
	    (id & reply->config.rx_mask) != reply->config.rx_id)
		return false;
	hex_bytes(line + digits, len - digits, data);
	return elm327_take_frame(reply, id, data, (len - digits) / 2);
}

/* Header, data and checksum of a bus before CAN. */
static bool take_old_line(struct elm327_reply *reply, const char *line, size_t len)
{
	uint8_t bytes[ELM327_LINE_MAX / 2];

	if (len % 2 || len > 2 * sizeof(bytes))
		return false;
	hex_bytes(line, len, bytes);
	return elm327_take_old(reply, bytes, len / 2);
}

/* "N:" and up to seven bytes: a segment of the message whose length stood alone on a line. */
static bool take_segment_line(struct elm327_reply *reply, const char *line, size_t len)
{
	uint8_t data[ISOTP_FRAME_MAX];

	if (len % 2 || len < 4 || len > 2 + 2 * 7 || !is_hex(line + 2, len - 2)) {
		reply->segment_left = 0;
		return false;
	}
	hex_bytes(line + 2, len - 2, data);
	return elm327_take_segment(reply, elm327_hex_digit(line[0]), data, (len - 2) / 2);
}

static bool take_length_line(struct elm327_reply *reply, const char *line)
{
	uint16_t len = 0;

	for (size_t i = 0; i < 3; i++)
		len = (uint16_t)(len << 4 | elm327_hex_digit(line[i]));
	return elm327_take_length(reply, len);
}

static bool take_plain_line(struct elm327_reply *reply, const char *line, size_t len)
{
	uint8_t data[ISOTP_FRAME_MAX];

	/* Segments are of CAN. */
	if (len >= 2 && line[1] == ':')
		return !elm327_is_old(reply) && take_segment_line(reply, line, len);
	if (!is_hex(line, len))
		return false;
	if (len == 3 && !elm327_is_old(reply))
		return take_length_line(reply, line);
	if (len % 2 || len > 2 * sizeof(data))
		return false;
	hex_bytes(line, len, data);
	return elm327_take_single(reply, 0, data, (uint16_t)(len / 2));
}

struct phrase {
	const char *text; /* without spaces */
	enum elm327_kind kind;
};

/* Matched anywhere in a line, so that what is glued to them is not taken for data. */
static const struct phrase phrases[] = {
	{"NODATA", ELM327_NO_DATA},   {"UNABLETOCONNECT", ELM327_UNABLE_TO_CONNECT},
	{"STOPPED", ELM327_STOPPED},  {"CANERROR", ELM327_CAN_ERROR},
	{"BUSBUSY", ELM327_BUS_BUSY}, {"BUSERROR", ELM327_BUS_ERROR},
	{"FBERROR", ELM327_FB_ERROR}, {"DATAERROR", ELM327_DATA_ERROR},
	{"RXERROR", ELM327_RX_ERROR}, {"BUFFERFULL", ELM327_BUFFER_FULL},
	{"LVRESET", ELM327_RESET},    {"ACTALERT", ELM327_ALERT},
	{"LPALERT", ELM327_ALERT},    {"ERR94", ELM327_RESET},
};

/* STI too: clones take it for ATI. */
static bool asked_for_banner(const struct elm327_reply *reply)
{
	return strcmp(reply->sent, "ATZ") == 0 || strcmp(reply->sent, "ATI") == 0 ||
	       strcmp(reply->sent, "ATWS") == 0 || strcmp(reply->sent, "STI") == 0;
}

/* ERR and two digits; "ERROR" is none. */
static bool is_internal_error(const char *line)
{
	const char *at = strstr(line, "ERR");

	return at && at[3] >= '0' && at[3] <= '9' && at[4] >= '0' && at[4] <= '9';
}

static bool take_phrase(struct elm327_reply *reply, const char *line)
{
	enum elm327_kind kind = ELM327_INCOMPLETE;

	/* Every phrase has a letter past F, or '?': most lines need no look at the table. */
	if (is_hex(line, strlen(line)))
		return false;
	for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
		if (strstr(line, phrases[i].text) && phrases[i].kind > kind)
			kind = phrases[i].kind;
	if (kind == ELM327_INCOMPLETE && is_internal_error(line))
		kind = ELM327_INTERNAL_ERROR;
	if (kind == ELM327_INCOMPLETE && strstr(line, "ELM327") && !asked_for_banner(reply))
		kind = ELM327_RESET;
	if (kind == ELM327_INCOMPLETE && strcmp(line, "?") == 0)
		kind = ELM327_UNSUPPORTED;
	if (kind == ELM327_INCOMPLETE)
		return false;
	note(reply, kind);
	return true;
}

/* "SEARCHING..." and "BUS INIT: ...OK" are progress, and data may be glued to them. Returns what is
 * left of the line. */
static const char *skip_progress(struct elm327_reply *reply, const char *line)
{
	if (strncmp(line, "SEARCHING", 9) == 0) {
		line += 9;
		while (*line == '.')
			line++;
	}
	if (strncmp(line, "BUSINIT", 7) == 0) {
		line += 7;
		while (*line == ':' || *line == '.')
			line++;
		if (strncmp(line, "OK", 2) == 0) {
			line += 2;
		} else if (strncmp(line, "ERROR", 5) == 0) {
			note(reply, ELM327_BUS_INIT_ERROR);
			line += 5;
		}
	}
	return line;
}

/* The line without blanks, in upper case. */
static void pack_line(const struct elm327_reply *reply, char out[static ELM327_LINE_MAX + 1])
{
	size_t len = 0;

	for (size_t i = 0; i < reply->line_len; i++)
		if (reply->line[i] != ' ')
			out[len++] = elm327_upper(reply->line[i]);
	out[len] = '\0';
}

static void take_data_line(struct elm327_reply *reply, const char *line)
{
	const size_t len = strlen(line);
	bool taken;

	if (!reply->config.headers)
		taken = take_plain_line(reply, line, len);
	else if (!is_hex(line, len))
		taken = false;
	else
		taken = elm327_is_old(reply) ? take_old_line(reply, line, len)
					     : take_header_line(reply, line, len);
	if (taken)
		reply->counts.lines++;
	else
		reply->counts.rejected++;
}

static void take_line(struct elm327_reply *reply)
{
	char packed[ELM327_LINE_MAX + 1] = "";
	const char *rest;

	reply->line[reply->line_len] = '\0';
	if (reply->overlong) {
		reply->counts.rejected++;
		return;
	}
	pack_line(reply, packed);
	rest = skip_progress(reply, packed);
	if (!rest[0])
		return;
	if (strcmp(rest, reply->sent) == 0) {
		reply->echoed = true;
		return;
	}
	if (take_phrase(reply, rest)) {
		keep_text(reply, reply->line);
	} else if (reply->request_len == 0) {
		keep_text(reply, reply->line);
		reply->counts.lines++;
	} else {
		take_data_line(reply, rest);
	}
}

/* ---- the reply as a whole ---- */

static void finish(struct elm327_reply *reply)
{
	enum elm327_kind kind = ELM327_OK;

	if (reply->line_len || reply->overlong)
		take_line(reply);
	if (reply->request_len)
		kind = elm327_judge(reply);
	/* A command that nobody answered has not been carried out. */
	else if (reply->counts.lines == 0)
		kind = ELM327_DATA_BAD;
	/* A text outweighs data, but for alerts: they are remarks. */
	if (reply->worst == ELM327_ALERT && elm327_has_data(kind))
		reply->worst = ELM327_INCOMPLETE;
	reply->kind = reply->worst != ELM327_INCOMPLETE ? reply->worst : kind;
	reply->done = true;
}

bool elm327_feed(struct elm327_reply *reply, uint8_t byte)
{
	if (reply->done)
		return true;
	if (byte == 0 || byte >= 0x80) {
		reply->counts.dropped++;
		return false;
	}
	/* A chip that babbles without a prompt must not keep us for ever. */
	if (++reply->bytes > ELM327_REPLY_MAX) {
		note(reply, ELM327_DATA_ERROR);
		finish(reply);
		return true;
	}
	if (byte == '>') {
		finish(reply);
		return true;
	}
	if (byte == '\r' || byte == '\n') {
		if (reply->line_len || reply->overlong)
			take_line(reply);
		reply->line_len = 0;
		reply->overlong = false;
		return false;
	}
	if (reply->line_len < ELM327_LINE_MAX)
		reply->line[reply->line_len++] = (char)byte;
	else
		reply->overlong = true;
	return false;
}
