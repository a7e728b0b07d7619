/* Recorded and collected replies outside the repository: $FRESHET_FIXTURES/obd/elm_grammar.json and
 * elm_garbled.jsonl. Skipped, and shown as such by ctest, where the variable is not set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/protocol/elm327.h"
#include "model/wire/json.h"

int suite_agent_elm_fixtures(void);

static struct elm327_reply reply;

/* Reads a fixture whole; skips the test where nobody says in which folder they are. The caller frees
 * it. */
static char *slurp(const char *name, size_t *ret_len)
{
	const char *folder = getenv("FRESHET_FIXTURES");
	char path[4096];
	char *data;
	FILE *file;
	long size;

	if (!folder) {
		print_message(
			"FRESHET_FIXTURES is not set\n"); /* ctest reports the suite as skipped */
		skip();
	}
	(void)snprintf(path, sizeof(path), "%s/obd/%s", folder, name);
	file = fopen(path, "rb");
	if (!file) {
		fail_msg("%s: %s", path, strerror(errno));
		return NULL;
	}
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	size = ftell(file);
	assert_true(size > 0);
	rewind(file);
	data = malloc((size_t)size + 1);
	assert_non_null(data);
	assert_int_equal(fread(data, 1, (size_t)size, file), size);
	(void)fclose(file);
	data[size] = '\0';
	*ret_len = (size_t)size;
	return data;
}

static const char *text_of(const struct jr_value *object, const char *key)
{
	const char *text = NULL;
	size_t len;

	return jr_string(jr_get(object, key), &text, &len) ? text : NULL;
}

/* U+0080..U+00FF stand for one byte each. */
static void feed_latin1(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uint8_t byte = (uint8_t)text[i];

		if (byte >= 0xc0 && i + 1 < len)
			byte = (uint8_t)(byte << 6 | ((uint8_t)text[++i] & 0x3f));
		if (elm327_feed(&reply, byte))
			return;
	}
}

static void hex_of(const uint8_t *data, size_t len, char *out, size_t size)
{
	for (size_t i = 0; i < len && 2 * i + 2 < size; i++)
		(void)snprintf(out + 2 * i, size - 2 * i, "%02X", data[i]);
}

static void expect_messages(const char *name, const struct jr_value *messages)
{
	for (size_t i = 0; i < jr_count(messages); i++) {
		const char *want = NULL;
		char got[512] = "";
		uint32_t id;
		size_t len;
		const uint8_t *data = elm327_message(&reply, i, &id, &len);

		assert_true(jr_string(jr_at(jr_at(messages, i), 1), &want, &(size_t){0}));
		if (data)
			hex_of(data, len, got, sizeof(got));
		if (strcmp(got, want) != 0)
			fail_msg("%s: message %zu is %s, want %s", name, i, got, want);
	}
}

static void check_grammar_case(const struct jr_value *value)
{
	const char *name = text_of(value, "name");
	const char *config_text = text_of(value, "config");
	const char *kind = text_of(value, "kind");
	const char *text = text_of(value, "text");
	struct elm327_config config = {.headers = strstr(config_text, "H1") != NULL,
				       .address = strstr(config_text, "CEA") ? 0xf1 : 0};
	const char *raw = NULL;
	size_t len = 0;

	/* Its answers do not belong to the request that it names: they are refused, as they must. */
	if (strcmp(name, "two ECUs interleaved") == 0)
		return;
	assert_true(jr_string(jr_get(value, "raw"), &raw, &len));
	elm327_begin(&reply, text_of(value, "sent"), &config);
	feed_latin1(raw, len);
	if (strcmp(elm327_kind_name(reply.kind), kind) != 0)
		fail_msg("%s: %s, want %s", name, elm327_kind_name(reply.kind), kind);
	if (text)
		assert_string_equal(reply.text, text);
	if (elm327_has_data(reply.kind))
		expect_messages(name, jr_get(value, "messages"));
}

static void every_case_of_the_grammar_is_concluded_right(void **state)
{
	const struct jr_value *cases;
	struct jr_error error;
	struct jr_doc *doc;
	size_t len = 0;
	char *data = slurp("elm_grammar.json", &len);

	(void)state;
	assert_int_equal(jr_parse(data, len, &doc, &error), 0);
	cases = jr_get(jr_root(doc), "cases");
	assert_true(jr_count(cases) > 50);
	for (size_t i = 0; i < jr_count(cases); i++)
		check_grammar_case(jr_at(cases, i));
	jr_free(doc);
	free(data);
}

static struct elm327_config config_of(const struct jr_value *value)
{
	struct elm327_config config = {.headers = true};
	const char *id = text_of(value, "response_id");
	const char *address = text_of(value, "extended_address");

	if (id) {
		config.rx_id = (uint32_t)strtoul(id, NULL, 16);
		config.rx_mask = UINT32_MAX;
		config.id_digits = strlen(id) == 3 ? 3 : 8;
	}
	if (address)
		config.address = 0xf1;
	return config;
}

/* No message may come out of a defective reply that is not in the fixture's count. */
static void check_garbled_case(const struct jr_value *value)
{
	const struct elm327_config config = config_of(value);
	const char *last = text_of(value, "last_payload");
	const char *raw = text_of(value, "response_raw");
	char got[8192] = "";
	int64_t want = 0;
	int64_t count = 0;
	const uint8_t *data;
	uint32_t id;
	size_t len = 0;

	assert_true(jr_integer(jr_get(value, "complete_messages"), &want));
	elm327_begin(&reply, text_of(value, "request"), &config);
	for (; *raw; raw++)
		if (elm327_feed(&reply, *raw == '\n' ? '\r' : (uint8_t)*raw))
			break;
	(void)elm327_feed(&reply, '>');
	while ((data = elm327_message(&reply, (size_t)count, &id, &len)) != NULL) {
		got[0] = '\0';
		hex_of(data, len, got, sizeof(got));
		count++;
	}
	if (count > want || (count == want && last && strcmp(got, last) != 0))
		fail_msg("%s: %d messages, the last %s", text_of(value, "response_raw"), (int)count,
			 got);
}

static void no_garbled_reply_gives_more_than_it_may(void **state)
{
	size_t len = 0;
	char *data = slurp("elm_garbled.jsonl", &len);
	char *save = NULL;
	size_t rows = 0;

	(void)state;
	for (char *line = strtok_r(data, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		struct jr_error error;
		struct jr_doc *doc;

		assert_int_equal(jr_parse(line, strlen(line), &doc, &error), 0);
		check_garbled_case(jr_root(doc));
		jr_free(doc);
		rows++;
	}
	assert_true(rows > 100);
	free(data);
}

int suite_agent_elm_fixtures(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_case_of_the_grammar_is_concluded_right),
		cmocka_unit_test(no_garbled_reply_gives_more_than_it_may),
	};

	return cmocka_run_group_tests_name("agent.elm_fixtures", tests, NULL, NULL);
}
