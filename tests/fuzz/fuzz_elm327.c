/* What an adapter may say: ELM327 lines, ISO-TP frames, OBD-II answers.
 *
 * An input is a line "<protocol><headers> <command>" (protocol 0..C as ATDPN says it, headers h or -,
 * x with extended addressing), a newline, then the adapter's bytes. Whatever these are, a value comes
 * only from bytes that the adapter sent as hex, in a message that echoes the request, from an id that
 * may answer.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/protocol/elm327_gate.h"
#include "agent/protocol/obd2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEX "0123456789ABCDEF"
#define EXTENDED_ADDRESS 0xf1

struct input {
	struct elm327_config config;
	char command[ELM327_COMMAND_MAX + 1];
	const uint8_t *bytes;
	size_t len;
};

static struct elm327_reply reply;
/* What was fed as lines of text: upper case, without blanks and without what is dropped. */
static char said[ELM327_REPLY_MAX + 1];

static void check(int right)
{
	if (!right)
		abort();
}

static struct input read_input(const uint8_t *data, size_t size)
{
	const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
	const size_t len = end ? (size_t)(end - data) : size;
	struct input input = {.bytes = data + len + (end != NULL),
			      .len = size - len - (end != NULL)};
	const char *digit = len && data[0] ? strchr(HEX, data[0]) : NULL;

	input.config = elm327_config_functional(digit ? (uint8_t)(digit - HEX) : 0);
	input.config.headers = len > 1 && data[1] != '-';
	if (len > 1 && data[1] == 'x')
		input.config.address = EXTENDED_ADDRESS;
	for (size_t i = 3, n = 0; i < len && n < ELM327_COMMAND_MAX && data[i]; i++)
		input.command[n++] = (char)data[i];
	return input;
}

static void feed(const struct input *input)
{
	size_t n = 0;
	size_t i = 0;

	elm327_begin(&reply, input->command, &input->config);
	for (; i < input->len && !reply.done; i++) {
		const uint8_t byte = input->bytes[i];

		(void)elm327_feed(&reply, byte);
		if (byte == 0 || byte >= 0x80 || byte == ' ' || n == sizeof(said) - 1)
			continue;
		said[n++] = (char)(byte >= 'a' && byte <= 'z' ? byte - 'a' + 'A' : byte);
	}
	said[n] = '\0';
	check(reply.done || elm327_feed(&reply, '>'));
	/* What comes after the prompt belongs to nobody. */
	check(elm327_feed(&reply, 'X') && reply.done);
}

/* Were these bytes said in one piece? */
static int was_said(const uint8_t *data, size_t len)
{
	char text[2 * 64 + 1];

	check(len <= 64);
	for (size_t i = 0; i < len; i++) {
		text[2 * i] = HEX[data[i] >> 4];
		text[2 * i + 1] = HEX[data[i] & 0x0f];
	}
	text[2 * len] = '\0';
	return strstr(said, text) != NULL;
}

/* In pieces of that many bytes. */
static void check_pieces(const uint8_t *data, size_t len, size_t first, size_t piece)
{
	for (size_t at = 0; at < len; at += first, first = piece)
		check(was_said(data + at, first < len - at ? first : len - at));
}

static int is_old(void)
{
	return reply.config.protocol >= 1 && reply.config.protocol <= 5;
}

/* Before CAN the messages of service 09 have four bytes each behind a number. */
static int is_numbered(void)
{
	return is_old() && reply.request[0] == 0x09 && reply.request_len > 1 &&
	       reply.request[1] % 2 == 0;
}

/* A long message is said in pieces: the first frame has two bytes of its own, the others one. */
static void check_origin(const uint8_t *data, size_t len)
{
	const size_t room = ISOTP_FRAME_MAX - (reply.config.address ? 1 : 0);
	const size_t head = len > 2 && data[1] % 0x20 ? 3 : 2;

	if (len < ISOTP_FRAME_MAX && was_said(data, len))
		return;
	if (is_numbered() && data[0] == 0x49 && len > head && (len - head) % 4 == 0)
		check_pieces(data + head, len - head, 4, 4);
	else if (is_old() && reply.config.headers)
		check(was_said(data, len));
	else
		check_pieces(data, len, len < ISOTP_FRAME_MAX ? len : room - 2, room - 1);
}

static void check_values(const uint8_t *answer, size_t len)
{
	struct obd2_support support = {0};
	char vin[OBD2_VIN_SIZE];

	for (unsigned base = 0; base < 256; base += 0x20)
		if (obd2_decode_support((uint8_t)base, answer, len, &support) == 0)
			check(answer[0] == 0x41 && answer[1] == base && len == 6);
	if (obd2_decode_vin(answer, len, vin) == 0)
		check(answer[0] == 0x49 && answer[1] == 0x02 && strlen(vin) == 17 &&
		      strspn(vin, "0123456789ABCDEFGHJKLMNPRSTUVWXYZ") == 17);
}

static void check_answers(void)
{
	const uint8_t *answer;
	uint32_t id = 0;
	size_t count = 0;
	size_t total = 0;
	size_t len = 0;

	while ((answer = elm327_message(&reply, count, &id, &len)) != NULL) {
		check(reply.request_len > 0 && len >= reply.echo_len);
		check(answer[0] == (uint8_t)(reply.request[0] + 0x40));
		check((reply.request[0] == 0x01 && reply.request_len > 2) ||
		      memcmp(answer + 1, reply.request + 1, reply.echo_len - 1U) == 0);
		check(reply.config.headers ? (id & reply.config.rx_mask) == reply.config.rx_id
					   : id == 0);
		check_origin(answer, len);
		check_values(answer, len);
		count++;
		total += len;
	}
	check(count <= ELM327_MESSAGES_MAX && total <= ELM327_POOL);
	check(!elm327_has_data(reply.kind) || count > 0);
	check(reply.kind != ELM327_DATA || elm327_incomplete(&reply) == 0);
	check(elm327_kind_name(reply.kind) != NULL && reply.kind != ELM327_INCOMPLETE);
}

/* Every message has one meaning, and those that answer are those that elm327_message() gives. */
static void check_parts(void)
{
	struct elm327_part part;
	size_t answers = 0;

	for (size_t i = 0; elm327_part(&reply, i, &part); i++) {
		uint8_t nrc = 0;
		const enum elm327_kind kind = elm327_ecu_kind(&reply, part.id, &nrc);
		const uint8_t *data;
		uint32_t id = 0;
		size_t len = 0;

		check(i < ELM327_MESSAGES_MAX && kind != ELM327_NO_DATA);
		if (part.kind == ELM327_NEGATIVE)
			check(part.len >= 3 && part.data[0] == 0x7f && part.nrc != 0x78);
		if (part.kind != ELM327_DATA)
			continue;
		data = elm327_message(&reply, answers++, &id, &len);
		check(data == part.data && id == part.id && len == part.len);
		check(kind == ELM327_DATA);
	}
	check(elm327_message(&reply, answers, &(uint32_t){0}, &(size_t){0}) == NULL);
}

static void check_text(void)
{
	uint8_t protocol = 0;
	bool found;
	double volts = 0;

	check(memchr(reply.text, '\0', sizeof(reply.text)) != NULL);
	if (elm327_parse_protocol(reply.text, &protocol, &found))
		check(protocol <= 12);
	if (elm327_parse_voltage(reply.text, &volts))
		check(volts >= 0 && volts <= 40);
}

/* What passes the gate is a command or a request that reads; and what may be sent is read back as the
 * same request. */
static void check_request(void)
{
	struct elm327_gate gate = {.known = true};
	struct elm327_reply again;
	char text[OBD2_TEXT_SIZE];

	if (elm327_gate_passes(&gate, &reply)) {
		check(strspn(reply.sent, "@,ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") ==
		      strlen(reply.sent));
		check(reply.request_len ? obd2_request_allowed(reply.request, reply.request_len)
					: strncmp(reply.sent, "AT", 2) == 0 ||
						  strncmp(reply.sent, "ST", 2) == 0);
	}
	if (obd2_request_text(reply.request, reply.request_len, text))
		return;
	elm327_begin(&again, text, &reply.config);
	check(again.request_len == reply.request_len &&
	      memcmp(again.request, reply.request, reply.request_len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct input input = read_input(data, size);

	feed(&input);
	check_answers();
	check_parts();
	check_text();
	check_request();
	return 0;
}
