/* Replies as an adapter sends them, and what a careful client concludes.
 *
 * One reply in a collection may have been written down with another request than the one that its
 * listed messages answer. The rule stays: nothing may come out of it for the request that was sent;
 * and for the request that the messages answer, exactly they must.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/protocol/dtc.h"
#include "agent/protocol/elm327.h"
#include "agent/protocol/obd2.h"
#include "tests/conformance/conformance.h"

#define CODES_MAX 64
#define HEX_MAX (2 * ELM327_POOL + 1)

static struct elm327_reply reply;

/* The hex number behind a word of the configuration, `none` where it is not there. */
static unsigned long setting(const char *text, const char *word, unsigned long none)
{
	const char *at = strstr(text, word);

	return at ? strtoul(at + strlen(word), NULL, 16) : none;
}

static bool is_can(const struct elm327_config *config)
{
	return config->protocol < 1 || config->protocol > 5;
}

/* "E0 L0 S0 H1 SP6 CEA07": headers, the protocol (SPA6: found by search), extended addressing (the
 * tester is F1 unless TA says another). */
static struct elm327_config config_of(const char *text)
{
	return (struct elm327_config){
		.headers = strstr(text, "H1") != NULL,
		.protocol = (uint8_t)(setting(text, "SP", 0) & 0x0f),
		.address = strstr(text, "CEA") ? (uint8_t)setting(text, "TA", 0xf1) : 0,
	};
}

/* Latin-1 in UTF-8: U+0080..U+00FF stand for one byte each. */
static void feed(const char *sent, const struct elm327_config *config, const char *raw, size_t len)
{
	elm327_begin(&reply, sent, config);
	for (size_t i = 0; i < len; i++) {
		uint8_t byte = (uint8_t)raw[i];

		if (byte >= 0xc0 && i + 1 < len)
			byte = (uint8_t)(byte << 6 | ((uint8_t)raw[++i] & 0x3f));
		if (elm327_feed(&reply, byte))
			return;
	}
}

static void hex_of(const uint8_t *data, size_t len, char out[static HEX_MAX])
{
	out[0] = '\0';
	for (size_t i = 0; i < len && 2 * i + 2 < HEX_MAX; i++)
		(void)snprintf(out + 2 * i, 3, "%02X", data[i]);
}

/* The request that a message answers: service - 0x40 and what it repeats. */
static bool answered_request(const struct jr_value *messages, char out[static 8])
{
	const char *payload = NULL;
	uint8_t data[ELM327_POOL];
	size_t len = 0, text_len = 0;
	int echo;

	if (!jr_string(jr_at(jr_at(messages, 0), 1), &payload, &text_len) ||
	    !conform_hex_bytes(payload, data, sizeof(data), &len) || len < 4 || data[0] < 0x40)
		return false;
	echo = data[0] == 0x62 ? 2 : 1;
	(void)snprintf(out, 8, "%02X%.*s", data[0] - 0x40U, 2 * echo, payload + 2);
	return true;
}

/* ---- what must hold; each returns NULL or what does not ---- */

static const char *check_messages(const struct jr_value *messages)
{
	static char why[HEX_MAX + 64];
	char got[HEX_MAX], id_text[12];
	size_t count = 0, len = 0;
	const uint8_t *data;
	uint32_t id = 0;

	for (; (data = elm327_message(&reply, count, &id, &len)) != NULL; count++) {
		const struct jr_value *message = jr_at(messages, count);
		const char *want_id = NULL, *want = NULL;
		size_t n;

		if (!jr_string(jr_at(message, 0), &want_id, &n) ||
		    !jr_string(jr_at(message, 1), &want, &n))
			return "more messages than expected";
		hex_of(data, len, got);
		(void)snprintf(id_text, sizeof(id_text), "%0*X",
			       !is_can(&reply.config) ? 2
			       : id > 0x7ff           ? 8
						      : 3,
			       (unsigned)id);
		if (strcmp(got, want) != 0 || strcmp(id ? id_text : "", want_id) != 0) {
			(void)snprintf(why, sizeof(why), "message %zu is %s %s", count, id_text,
				       got);
			return why;
		}
	}
	return count < jr_count(messages) ? "fewer messages than expected" : NULL;
}

static const char *check_answer(const struct jr_value *row)
{
	const char *nrc = conform_text(row, "nrc");
	const char *vin = conform_text(row, "vin");
	char nrc_text[3], got[OBD2_VIN_SIZE];
	const uint8_t *data;
	int64_t pending = 0;
	uint32_t id = 0;
	size_t len = 0;

	(void)snprintf(nrc_text, sizeof(nrc_text), "%02X", reply.nrc);
	if (nrc && strcmp(nrc, nrc_text) != 0)
		return "another negative response code";
	if (jr_integer(jr_get(row, "pending"), &pending) && reply.counts.pending != pending)
		return "another number of pending responses";
	if (jr_get(row, "incomplete") &&
	    elm327_incomplete(&reply) != jr_count(jr_get(row, "incomplete")))
		return "another number of incomplete messages";
	if (!vin)
		return NULL;
	data = elm327_message(&reply, 0, &id, &len);
	if (!data || obd2_decode_vin(data, len, got) || strcmp(got, vin) != 0)
		return "another VIN";
	return NULL;
}

/* Codes of all answers, in order. Before CAN there is no count of them. */
static const char *check_codes(const struct jr_value *row, bool can)
{
	const struct jr_value *want = jr_get(row, "dtcs");
	size_t count = 0, len = 0;
	struct dtc codes[CODES_MAX];
	const uint8_t *data;
	uint32_t id = 0;

	for (size_t i = 0; want && (data = elm327_message(&reply, i, &id, &len)) != NULL; i++) {
		const int n = dtc_decode_obd(data, len, can, codes, CODES_MAX);

		for (int c = 0; c < n && c < CODES_MAX; c++) {
			const char *text = NULL;
			char got[DTC_TEXT_SIZE];

			dtc_text(&codes[c], got);
			if (!jr_string(jr_at(want, count++), &text, &len) || strcmp(got, text) != 0)
				return "another trouble code";
		}
		if (n < 0)
			return "trouble codes that cannot be read";
	}
	return count < jr_count(want) ? "fewer trouble codes" : NULL;
}

static const char *check_command(const struct jr_value *row)
{
	const struct jr_value *volts = jr_get(row, "volts");
	int64_t protocol = 0;
	bool automatic = false;
	uint8_t number = 0;
	bool found = false;
	double value = 0;

	if (volts &&
	    (!elm327_parse_voltage(reply.text, &value) || !conform_same_number(volts, value)))
		return "another voltage";
	if (!jr_integer(jr_get(row, "protocol"), &protocol))
		return NULL;
	if (!elm327_parse_protocol(reply.text, &number, &found) || number != protocol)
		return "another protocol";
	if (jr_bool(jr_get(row, "auto"), &automatic) && automatic != found)
		return "another way to find the protocol";
	return NULL;
}

static const char *check(const struct jr_value *row, const char *kind)
{
	const char *text = conform_text(row, "text");
	const char *why;

	if (strcmp(elm327_kind_name(reply.kind), kind) != 0)
		return "another kind";
	if (text && strcmp(reply.text, text) != 0)
		return "another text";
	/* Of an error the messages are for information. */
	if (elm327_has_data(reply.kind) && jr_get(row, "messages")) {
		why = check_messages(jr_get(row, "messages"));
		if (why)
			return why;
	}
	why = check_answer(row);
	if (!why)
		why = check_codes(row, is_can(&reply.config));
	return why ? why : check_command(row);
}

/* Nothing of it answers what was sent, though messages are listed. */
static bool answers_something_else(const struct jr_value *row, const char *kind)
{
	uint32_t id;
	size_t len;

	return jr_count(jr_get(row, "messages")) > 0 && strncmp(kind, "data", 4) == 0 &&
	       reply.kind == ELM327_DATA_BAD && !elm327_message(&reply, 0, &id, &len);
}

static int take_case(struct conform_run *run, const struct jr_value *row)
{
	const char *config_text = conform_text(row, "config");
	const char *sent = conform_text(row, "sent");
	const char *kind = conform_text(row, "kind");
	const char *name = conform_text(row, "name");
	struct elm327_config config;
	const char *raw = NULL, *why;
	char request[8];
	size_t len = 0;

	if (!config_text || !sent || !kind || !jr_string(jr_get(row, "raw"), &raw, &len))
		return conform_bad(run, row,
				   "expected the texts \"config\", \"sent\", \"raw\", \"kind\"");
	run->line = conform_line(run, row);
	config = config_of(config_text);
	feed(sent, &config, raw, len);
	if (answers_something_else(row, kind) && answered_request(jr_get(row, "messages"), request))
		feed(request, &config, raw, len);
	why = check(row, kind);
	if (!why)
		conform_right(run);
	else
		conform_wrong(run, "%s: %s: %s \"%s\", expected %s", name ? name : "", why,
			      elm327_kind_name(reply.kind), reply.text, kind);
	run->line = 1;
	return 0;
}

int conform_grammar(struct conform_run *run, const struct jr_value *document)
{
	const struct jr_value *cases = jr_get(document, "cases");
	int err = 0;

	for (size_t i = 0; i < jr_count(cases); i++) {
		const int r = take_case(run, jr_at(cases, i));

		err = r ? r : err;
	}
	return err;
}
