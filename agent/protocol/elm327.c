#include "agent/protocol/elm327.h"

#include <string.h>

const char *elm327_kind_name(enum elm327_kind kind)
{
	static const char *const names[] = {
#define X(ident, name) name,
		ELM327_KINDS(X)
#undef X
	};

	return (unsigned)kind < ELM327_KIND_COUNT ? names[kind] : NULL;
}

static char upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool is_hex(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (hex_digit(text[i]) < 0)
			return false;
	return len > 0;
}

/* `len` is even and the digits are known to be hex. */
static void hex_bytes(const char *text, size_t len, uint8_t *out)
{
	for (size_t i = 0; i < len; i += 2)
		out[i / 2] = (uint8_t)(hex_digit(text[i]) << 4 | hex_digit(text[i + 1]));
}

/* How many bytes after the service an answer repeats: the PID, the DID, the local identifier. */
static uint8_t echoed(uint8_t service)
{
	switch (service) {
	case 0x01:
	case 0x02:
	case 0x06:
	case 0x09:
	case 0x19:
	case 0x1a:
	case 0x21:
		return 1;
	case 0x22:
		return 2;
	default:
		return 0;
	}
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
	reply->echo_len = (uint8_t)(1 + echoed(reply->request[0]));
	if (reply->echo_len > reply->request_len)
		reply->echo_len = reply->request_len;
}

void elm327_begin(struct elm327_reply *reply, const char *sent, const struct elm327_config *config)
{
	size_t n = 0;

	memset(reply, 0, sizeof(*reply));
	reply->config = *config;
	for (; *sent && n < ELM327_COMMAND_MAX; sent++)
		if (*sent != ' ')
			reply->sent[n++] = upper(*sent);
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

/* ---- messages ---- */

static uint8_t *reserve(struct elm327_reply *reply, uint32_t id, uint16_t len, bool segmented)
{
	struct elm327_message *message;

	if (reply->message_count == ELM327_MESSAGES_MAX || len > ELM327_POOL - reply->pool_len)
		return NULL;
	message = &reply->messages[reply->message_count++];
	message->id = id;
	message->len = len;
	message->offset = reply->pool_len;
	message->segmented = segmented;
	reply->pool_len = (uint16_t)(reply->pool_len + len);
	return reply->pool + message->offset;
}

static struct elm327_message *last_message(struct elm327_reply *reply)
{
	return &reply->messages[reply->message_count - 1];
}

static struct elm327_message *open_message(struct elm327_reply *reply, uint32_t id)
{
	for (size_t i = reply->message_count; i-- > 0;)
		if (reply->messages[i].id == id && reply->messages[i].rx.busy)
			return &reply->messages[i];
	return NULL;
}

/* A new message of an ECU ends the one that it was sending. */
static void abandon(struct elm327_reply *reply, uint32_t id)
{
	struct elm327_message *open = open_message(reply, id);

	if (!open)
		return;
	open->rx.busy = false;
	reply->counts.rejected++;
}

static bool take_single(struct elm327_reply *reply, uint32_t id, const uint8_t *data, uint16_t len)
{
	uint8_t *room = reserve(reply, id, len, false);

	if (!room)
		return false;
	memcpy(room, data, len);
	last_message(reply)->whole = true;
	return true;
}

static bool take_first(struct elm327_reply *reply, uint32_t id, const struct isotp_frame *frame)
{
	uint8_t *room = reserve(reply, id, frame->length, true);

	if (!room)
		return false;
	isotp_rx_start(&last_message(reply)->rx, frame, room);
	return true;
}

static bool take_consecutive(struct elm327_reply *reply, uint32_t id,
			     const struct isotp_frame *frame)
{
	struct elm327_message *open = open_message(reply, id);
	enum isotp_event event;

	if (!open)
		return false;
	event = isotp_rx_push(&open->rx, frame);
	open->whole = event == ISOTP_COMPLETE;
	return event == ISOTP_MORE || event == ISOTP_COMPLETE;
}

static bool take_frame(struct elm327_reply *reply, uint32_t id, const uint8_t *data, size_t len)
{
	uint8_t room = ISOTP_FRAME_MAX;
	struct isotp_frame frame;

	if (reply->config.address) {
		if (len < 1 || data[0] != reply->config.address)
			return false;
		data++;
		len--;
		room--;
	}
	frame = isotp_frame_parse(data, len, room);
	switch (frame.type) {
	case ISOTP_SINGLE:
		abandon(reply, id);
		return take_single(reply, id, frame.data, frame.length);
	case ISOTP_FIRST:
		abandon(reply, id);
		return take_first(reply, id, &frame);
	case ISOTP_CONSECUTIVE:
		return take_consecutive(reply, id, &frame);
	default:
		return false;
	}
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
		id = id << 4 | (uint32_t)hex_digit(line[i]);
	if ((id & reply->config.rx_mask) != reply->config.rx_id)
		return false;
	hex_bytes(line + digits, len - digits, data);
	return take_frame(reply, id, data, (len - digits) / 2);
}

/* "N:" and up to seven bytes: a segment of the message whose length stood alone on a line. */
static bool take_segment(struct elm327_reply *reply, const char *line, size_t len)
{
	uint8_t data[ISOTP_FRAME_MAX];
	struct elm327_message *message;
	size_t bytes = (len - 2) / 2;

	if (reply->segment_left == 0 || len % 2 || bytes == 0 || bytes > 7 ||
	    !is_hex(line + 2, len - 2) || hex_digit(line[0]) != reply->segment_next) {
		reply->segment_left = 0;
		return false;
	}
	message = last_message(reply);
	hex_bytes(line + 2, len - 2, data);
	/* Six bytes in the first, seven in the others, full unless last. */
	if (bytes < reply->segment_left && bytes != (message->rx.have == 0 ? 6U : 7U)) {
		reply->segment_left = 0;
		return false;
	}
	if (bytes > reply->segment_left)
		bytes = reply->segment_left;
	memcpy(reply->pool + message->offset + message->rx.have, data, bytes);
	message->rx.have = (uint16_t)(message->rx.have + bytes);
	reply->segment_left = (uint16_t)(reply->segment_left - bytes);
	reply->segment_next = (reply->segment_next + 1) & 0x0f;
	message->whole = reply->segment_left == 0;
	return true;
}

static bool take_length(struct elm327_reply *reply, const char *line)
{
	uint16_t len = 0;

	for (size_t i = 0; i < 3; i++)
		len = (uint16_t)(len << 4 | hex_digit(line[i]));
	reply->segment_left = 0;
	if (len < ISOTP_FRAME_MAX || !reserve(reply, 0, len, true))
		return false;
	reply->segment_left = len;
	reply->segment_next = 0;
	return true;
}

static bool take_plain_line(struct elm327_reply *reply, const char *line, size_t len)
{
	uint8_t data[ISOTP_FRAME_MAX];

	if (len >= 2 && line[1] == ':')
		return take_segment(reply, line, len);
	if (!is_hex(line, len))
		return false;
	if (len == 3)
		return take_length(reply, line);
	if (len % 2 || len > 2 * sizeof(data))
		return false;
	hex_bytes(line, len, data);
	return take_single(reply, 0, data, (uint16_t)(len / 2));
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

static bool asked_for_banner(const struct elm327_reply *reply)
{
	return strcmp(reply->sent, "ATZ") == 0 || strcmp(reply->sent, "ATI") == 0 ||
	       strcmp(reply->sent, "ATWS") == 0;
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

static void take_line(struct elm327_reply *reply)
{
	char packed[ELM327_LINE_MAX + 1] = "";
	const char *rest;
	size_t len = 0;
	bool taken;

	reply->line[reply->line_len] = '\0';
	for (size_t i = 0; i < reply->line_len; i++)
		if (reply->line[i] != ' ')
			packed[len++] = upper(reply->line[i]);
	packed[len] = '\0';
	if (reply->overlong) {
		reply->counts.rejected++;
		return;
	}
	rest = skip_progress(reply, packed);
	len = strlen(rest);
	if (len == 0 || strcmp(rest, reply->sent) == 0)
		return;
	if (take_phrase(reply, rest)) {
		keep_text(reply, reply->line);
		return;
	}
	if (reply->request_len == 0) {
		keep_text(reply, reply->line);
		reply->counts.lines++;
		return;
	}
	if (strcmp(rest, "OK") == 0)
		reply->wrong_turn = true;
	taken = reply->config.headers ? is_hex(rest, len) && take_header_line(reply, rest, len)
				      : take_plain_line(reply, rest, len);
	if (taken)
		reply->counts.lines++;
	else
		reply->counts.rejected++;
}

/* ---- the reply as a whole ---- */

static const uint8_t *payload(const struct elm327_reply *reply,
			      const struct elm327_message *message)
{
	return reply->pool + message->offset;
}

static bool is_negative(const struct elm327_reply *reply, const struct elm327_message *message)
{
	const uint8_t *data = payload(reply, message);

	return message->whole && message->len >= 3 && data[0] == 0x7f &&
	       data[1] == reply->request[0];
}

static bool is_answer(const struct elm327_reply *reply, const struct elm327_message *message)
{
	const uint8_t *data = payload(reply, message);

	return message->whole && message->len >= reply->echo_len &&
	       data[0] == (uint8_t)(reply->request[0] + 0x40) &&
	       memcmp(data + 1, reply->request + 1, reply->echo_len - 1U) == 0;
}

size_t elm327_incomplete(const struct elm327_reply *reply)
{
	size_t count = 0;

	for (size_t i = 0; i < reply->message_count; i++)
		if (!reply->messages[i].whole)
			count++;
	return count;
}

/* What the messages of a request come to, where no text said otherwise. */
static enum elm327_kind judge_messages(struct elm327_reply *reply)
{
	size_t answers = 0;
	size_t refusals = 0;

	for (size_t i = 0; i < reply->message_count; i++) {
		const struct elm327_message *message = &reply->messages[i];

		if (is_answer(reply, message)) {
			answers++;
		} else if (is_negative(reply, message)) {
			const uint8_t nrc = payload(reply, message)[2];

			if (nrc == 0x78) {
				reply->counts.pending++;
				continue;
			}
			reply->nrc = nrc;
			refusals++;
		} else if (message->whole) {
			reply->counts.rejected++;
		}
	}
	if (answers)
		return elm327_incomplete(reply) ? ELM327_DATA_PARTIAL : ELM327_DATA;
	if (refusals)
		return ELM327_NEGATIVE;
	return reply->counts.pending ? ELM327_PENDING : ELM327_DATA_BAD;
}

static void finish(struct elm327_reply *reply)
{
	enum elm327_kind kind = ELM327_OK;

	if (reply->line_len || reply->overlong)
		take_line(reply);
	if (reply->request_len)
		kind = judge_messages(reply);
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

const uint8_t *elm327_message(const struct elm327_reply *reply, size_t index, uint32_t *ret_id,
			      size_t *ret_len)
{
	if (!reply->request_len)
		return NULL;
	for (size_t i = 0; i < reply->message_count; i++) {
		const struct elm327_message *message = &reply->messages[i];

		if (!is_answer(reply, message) || index-- > 0)
			continue;
		*ret_id = message->id;
		*ret_len = message->len;
		return payload(reply, message);
	}
	return NULL;
}

bool elm327_parse_protocol(const char *text, uint8_t *ret_protocol, bool *ret_auto)
{
	bool automatic = false;
	int digit;

	if (upper(text[0]) == 'A' && text[1]) {
		automatic = true;
		text++;
	}
	digit = hex_digit(upper(text[0]));
	if (digit < 0 || digit > 12 || text[1])
		return false;
	*ret_protocol = (uint8_t)digit;
	*ret_auto = automatic;
	return true;
}

bool elm327_parse_voltage(const char *text, double *ret_volts)
{
	double value = 0;
	double scale = 1;
	bool fraction = false;
	size_t digits = 0;

	for (; *text && upper(*text) != 'V'; text++) {
		if (*text == '.' && !fraction && digits) {
			fraction = true;
			continue;
		}
		if (*text < '0' || *text > '9' || ++digits > 6)
			return false;
		value = value * 10 + (*text - '0');
		if (fraction)
			scale *= 10;
	}
	if (!digits || upper(*text) != 'V' || text[1] || value / scale > 40)
		return false;
	*ret_volts = value / scale;
	return true;
}

struct elm327_config elm327_config_functional(uint8_t protocol)
{
	struct elm327_config config = {.headers = true};

	if (protocol == 6 || protocol == 8) {
		config.id_digits = 3;
		config.rx_id = 0x7e8;
		config.rx_mask = 0x7f8;
	} else if (protocol == 7 || protocol == 9) {
		config.id_digits = 8;
		config.rx_id = 0x18daf100;
		config.rx_mask = 0x1fffff00;
	}
	return config;
}
