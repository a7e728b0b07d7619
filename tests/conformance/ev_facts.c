#include "tests/conformance/ev_facts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/protocol/obd2.h"
#include "base/buf.h"

#define SET_MAX ((size_t)1 << 18)

static double number_or(const struct jr_value *object, const char *key, double otherwise)
{
	(void)jr_number(jr_get(object, key), &otherwise);
	return otherwise;
}

bool ev_signal_read(const struct conform_run *run, const struct jr_value *object,
		    struct ev_signal *ret)
{
	const char *endian = conform_text(object, "endian");
	struct ev_signal signal = {
		.name = conform_need_text(run, object, "name"),
		.reversed = endian && strcmp(endian, "little") == 0,
		.mul = number_or(object, "mul", 1),
		.div = number_or(object, "div", 1),
		.add = number_or(object, "add", 0),
	};
	int64_t start = 0, bits = 0;

	if (!signal.name)
		return false;
	if (!jr_integer(jr_get(object, "bit_offset"), &start) || start < 0 || start > UINT16_MAX ||
	    !jr_integer(jr_get(object, "bits"), &bits) || bits < 1 || bits > UINT16_MAX) {
		(void)conform_bad(run, object, "%s: expected \"bit_offset\" and \"bits\"",
				  signal.name);
		return false;
	}
	signal.start = (uint32_t)start;
	signal.bits = (uint32_t)bits;
	(void)jr_bool(jr_get(object, "signed"), &signal.is_signed);
	*ret = signal;
	return true;
}

static bool read_identifier(const char *text, uint32_t *ret)
{
	char *end = NULL;

	if (!text)
		return false;
	/* "7E8..7EF": whoever answers. */
	*ret = (uint32_t)strtoul(text, &end, 16);
	if (strncmp(end, "..", 2) == 0)
		*ret = 0;
	return end != text && (*end == '\0' || *end == '.');
}

bool ev_command_read(const struct conform_run *run, const struct jr_value *object,
		     struct ev_command *ret)
{
	const char *service = conform_text(object, "service"), *pid = conform_text(object, "pid");
	const char *extension = conform_text(object, "extended_address");
	struct ev_command command = {0};
	char text[2 * PROFILE_REQUEST_MAX + 1];
	uint32_t byte = 0;

	if (!service || !pid || strlen(service) + strlen(pid) >= sizeof(text) ||
	    !read_identifier(conform_text(object, "request_header"), &command.tx) ||
	    !read_identifier(conform_text(object, "response_id"), &command.rx) ||
	    (extension && !read_identifier(extension, &byte)))
		goto bad;
	(void)snprintf(text, sizeof(text), "%s%s", service, pid);
	if (!conform_hex_bytes(text, command.request, sizeof(command.request),
			       &command.request_len))
		goto bad;
	command.extension = (uint8_t)byte;
	*ret = command;
	return true;
bad:
	(void)conform_bad(run, object,
			  "expected a command: request_header, response_id, service, "
			  "pid");
	return false;
}

bool ev_command_fits(const struct jr_value *object, size_t data_len)
{
	static const char lengths[] = "data length";
	const char *variant = conform_text(object, "variant");
	const char *at = variant ? strstr(variant, lengths) : NULL;

	if (!at)
		return true;
	for (at += sizeof(lengths) - 1; *at;) {
		char *end = NULL;
		const unsigned long number = strtoul(at, &end, 10);

		if (end == at) {
			at++;
			continue;
		}
		if (number == data_len)
			return true;
		at = end;
	}
	return false;
}

/* ---- as a signal set ---- */

static bool put_signal(struct jw *w, const struct conform_run *run, const struct jr_value *object)
{
	struct ev_signal signal;

	if (!ev_signal_read(run, object, &signal))
		return false;
	jw_open_object(w);
	jw_text(w, "id", signal.name);
	jw_key(w, "fmt");
	jw_open_object(w);
	jw_int(w, "bix", signal.start);
	jw_int(w, "len", signal.bits);
	jw_flag(w, "blsb", signal.reversed);
	jw_flag(w, "sign", signal.is_signed);
	jw_num(w, "mul", signal.mul);
	jw_num(w, "div", signal.div);
	jw_num(w, "add", signal.add);
	/* Longer than a number: a VIN. */
	if (signal.bits > 64)
		jw_text(w, "unit", "ascii");
	jw_close_object(w);
	jw_close_object(w);
	return true;
}

/* A whole identifier of 29 bits as signal sets write it: priority, header, tester. */
static void put_address(struct jw *w, const struct ev_command *command)
{
	char text[9];

	if (command->tx <= 0x7ff) {
		(void)snprintf(text, sizeof(text), "%03X", (unsigned)command->tx);
		jw_text(w, "hdr", text);
	} else {
		(void)snprintf(text, sizeof(text), "%04X", (unsigned)(command->tx >> 8) & 0xffffU);
		jw_text(w, "hdr", text);
		(void)snprintf(text, sizeof(text), "%02X", (unsigned)(command->tx >> 24) & 0xffU);
		jw_text(w, "pri", text);
		(void)snprintf(text, sizeof(text), "%02X", (unsigned)command->tx & 0xffU);
		jw_text(w, "tst", text);
	}
	if (command->rx) {
		(void)snprintf(text, sizeof(text), command->tx <= 0x7ff ? "%03X" : "%08X",
			       (unsigned)command->rx);
		jw_text(w, "rax", text);
	}
	if (command->extension) {
		(void)snprintf(text, sizeof(text), "%02X", (unsigned)command->extension);
		jw_text(w, "eax", text);
	}
}

static bool put_command(struct jw *w, const struct conform_run *run, const struct jr_value *object)
{
	const struct jr_value *signals = jr_get(object, "signals");
	struct ev_command command;

	if (!ev_command_read(run, object, &command))
		return false;
	jw_open_object(w);
	put_address(w, &command);
	jw_key(w, "cmd");
	jw_open_object(w);
	jw_text(w, conform_text(object, "service"), conform_text(object, "pid"));
	jw_close_object(w);
	jw_int(w, "freq", 1);
	jw_key(w, "signals");
	jw_open_array(w);
	for (size_t i = 0; i < jr_count(signals); i++)
		if (!put_signal(w, run, jr_at(signals, i)))
			return false;
	jw_close_array(w);
	jw_close_object(w);
	return true;
}

int ev_command_profile(struct conform_run *run, const struct jr_value *object,
		       struct profile **ret_profile)
{
	struct buf out;
	struct jw w;
	int err = -EINVAL;

	buf_init(&out, SET_MAX);
	jw_init(&w, &out);
	jw_open_object(&w);
	jw_key(&w, "commands");
	jw_open_array(&w);
	if (!put_command(&w, run, object))
		goto out;
	jw_close_array(&w);
	jw_close_object(&w);
	err = out.error;
	if (!err)
		err = profile_parse(out.data, out.len, "signal set of the facts",
				    obd2_request_allowed, stderr, ret_profile);
out:
	buf_free(&out);
	return err;
}
