#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/conf.h"

#define PATH "/etc/freshet/agent.conf"

static const struct conf_key agent_keys[] = {
	{.name = "gateway_id", .type = CONF_ID, .help = "the gateway's id"},
	{.name = "label", .type = CONF_TEXT, .fallback = "", .min = 1, .max = 8},
	{.name = "port", .type = CONF_INT, .fallback = "1883", .min = 1, .max = 65535},
	{.name = "dashboard", .type = CONF_BOOL, .fallback = "yes"},
	{.name = "window",
	 .type = CONF_DURATION,
	 .fallback = "2s",
	 .min = 0,
	 .max = 600000,
	 .help = "durability window"},
	{.name = "spool", .type = CONF_SIZE, .fallback = "64MiB", .min = 65536, .max = INT64_MAX},
	{.name = "rate",
	 .type = CONF_SIZE,
	 .fallback = "auto",
	 .min = 0,
	 .max = 1048576,
	 .words = "auto"},
	{.name = "trust",
	 .type = CONF_ENUM,
	 .fallback = "kernel",
	 .words = "kernel gps core always"},
	{.name = "token_file", .type = CONF_PATH, .fallback = ""},
	{.name = "broker", .type = CONF_HOST_PORT, .fallback = ""},
	{.name = NULL},
};
static const struct conf_key source_keys[] = {
	{.name = "device", .type = CONF_TEXT, .min = 1, .max = 200},
	{.name = "baud", .type = CONF_INT, .fallback = "38400", .min = 300, .max = 4000000},
	{.name = NULL},
};
static const struct conf_key tls_keys[] = {
	{.name = "ca_file", .type = CONF_PATH},
	{.name = "verify", .type = CONF_BOOL, .fallback = "on"},
	{.name = NULL},
};
static const struct conf_section schema[] = {
	{"agent", CONF_REQUIRED, agent_keys},
	{"tls", CONF_OPTIONAL, tls_keys},
	{"source", CONF_MANY, source_keys},
	{NULL, CONF_OPTIONAL, NULL},
};

#define GOOD "[agent]\ngateway_id = gw-1\n"

static struct conf *parse(const char *text, int want)
{
	struct conf *conf = NULL;

	assert_int_equal(conf_parse(text, strlen(text), PATH, schema, &conf), want);
	assert_non_null(conf);
	return conf;
}

/* The printed mistakes of a text. */
static char *mistakes(const char *text, size_t len)
{
	struct conf *conf = NULL;
	char *out = NULL;
	size_t size = 0;
	FILE *file;

	assert_int_equal(conf_parse(text, len, PATH, schema, &conf), -EINVAL);
	file = open_memstream(&out, &size);
	assert_non_null(file);
	conf_print_errors(conf, file);
	fclose(file);
	conf_free(conf);
	return out;
}

static void values_are_read_by_type(void **state)
{
	struct conf *conf = parse("# a depot\n"
				  "[agent]\n"
				  "gateway_id = gw-1\n"
				  "  label=a # b ; comment\n"
				  "port: 8883\r\n"
				  "dashboard = off\n"
				  "window = 90 s\n"
				  "spool = 1GiB\n"
				  "rate = 2KiB\n"
				  "trust = core\n"
				  "token_file = secrets/token\n"
				  "broker = mqtt.depot.example:1883",
				  0);
	const struct conf_sect *agent = conf_get(conf, "agent");

	(void)state;
	assert_string_equal(conf_text(agent, "gateway_id"), "gw-1");
	assert_string_equal(conf_text(agent, "label"), "a # b");
	assert_int_equal(conf_int(agent, "port"), 8883);
	assert_false(conf_bool(agent, "dashboard"));
	assert_int_equal(conf_int(agent, "window"), 90000);
	assert_int_equal(conf_int(agent, "spool"), 1073741824);
	assert_int_equal(conf_int(agent, "rate"), 2048);
	assert_int_equal(conf_int(agent, "trust"), 2);
	assert_string_equal(conf_text(agent, "token_file"), "/etc/freshet/secrets/token");
	assert_string_equal(conf_text(agent, "broker"), "mqtt.depot.example:1883");
	assert_string_equal(conf_host(agent, "broker"), "mqtt.depot.example");
	assert_int_equal(conf_port(agent, "broker"), 1883);
	assert_true(conf_is_set(agent, "port"));
	assert_int_equal(conf_error_count(conf), 0);
	conf_free(conf);
}

static void what_is_not_said_has_its_default(void **state)
{
	struct conf *conf = parse(GOOD, 0);
	const struct conf_sect *agent = conf_get(conf, "agent");
	const struct conf_sect *tls = conf_get(conf, "tls");

	(void)state;
	assert_string_equal(conf_text(agent, "label"), "");
	assert_int_equal(conf_int(agent, "port"), 1883);
	assert_true(conf_bool(agent, "dashboard"));
	assert_int_equal(conf_int(agent, "window"), 2000);
	assert_int_equal(conf_int(agent, "spool"), 67108864);
	assert_int_equal(conf_int(agent, "rate"), 0);
	assert_int_equal(conf_int(agent, "trust"), 0);
	assert_string_equal(conf_text(agent, "token_file"), "");
	assert_string_equal(conf_host(agent, "broker"), "");
	assert_int_equal(conf_port(agent, "broker"), 0);
	assert_false(conf_is_set(agent, "port"));
	assert_true(conf_present(agent));
	/* An optional section that is absent has defaults, and no value for what it requires. */
	assert_non_null(tls);
	assert_false(conf_present(tls));
	assert_true(conf_bool(tls, "verify"));
	assert_null(conf_text(tls, "ca_file"));
	assert_null(conf_next(conf, "source", NULL));
	conf_free(conf);
}

static void named_sections_come_in_file_order(void **state)
{
	struct conf *conf = parse("[source obd1]\ndevice=/dev/b\n" GOOD
				  "[ source  obd0 ] # front\ndevice=/dev/a\nbaud=9600\n",
				  0);
	const struct conf_sect *sect = conf_next(conf, "source", NULL);

	(void)state;
	assert_string_equal(conf_name(sect), "obd1");
	assert_string_equal(conf_text(sect, "device"), "/dev/b");
	assert_int_equal(conf_int(sect, "baud"), 38400);
	sect = conf_next(conf, "source", sect);
	assert_string_equal(conf_name(sect), "obd0");
	assert_int_equal(conf_int(sect, "baud"), 9600);
	assert_null(conf_next(conf, "source", sect));
	assert_string_equal(conf_name(conf_get(conf, "agent")), "");
	conf_free(conf);
}

static void good_values_of_each_type_are_taken(void **state)
{
	static const char *const lines[] = {
		"dashboard = TRUE",
		"dashboard = 0",
		"port = 1",
		"port = 65535",
		"window = 0",
		"window = 0ms",
		"window = 10min",
		"window = 600000 ms",
		"spool = 65536",
		"spool = 64KiB",
		"trust = always",
		"label = 12345678",
		"label = \xc3\xa4\xe2\x82\xac",
		"broker = [::1]:1",
		"broker = 10.0.0.1:65535",
		"token_file = /x",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct conf *conf = NULL;
		char text[200];

		snprintf(text, sizeof(text), GOOD "%s\n", lines[i]);
		if (conf_parse(text, strlen(text), PATH, schema, &conf) != 0)
			fail_msg("'%s': %s", lines[i], conf_error_at(conf, 0)->expected);
		conf_free(conf);
	}
}

static void each_mistake_names_file_line_key_and_what_was_expected(void **state)
{
	static const struct {
		const char *text;
		const char *mistake;
	} cases[] = {
		{GOOD "port = 0\n",
		 ":3: [agent] port: expected a whole number in 1..65535, not \"0\""},
		{GOOD "port = 65536\n",
		 ":3: [agent] port: expected a whole number in 1..65535, not \"65536\""},
		{GOOD "port = 99999999999999999999\n",
		 ":3: [agent] port: expected a whole number in 1..65535, not "
		 "\"99999999999999999999\""},
		{GOOD "port = 18x\n",
		 ":3: [agent] port: expected a whole number in 1..65535, not \"18x\""},
		{GOOD "port = 0x10\n",
		 ":3: [agent] port: expected a whole number in 1..65535, not \"0x10\""},
		{GOOD "\n\nport =\n",
		 ":5: [agent] port: expected a whole number in 1..65535, not \"\""},
		{GOOD "window = 5\n",
		 ":3: [agent] window: expected durability window: a whole number with ms, s, min, h "
		 "or d in 0ms..10min, not \"5\""},
		{GOOD "window = 11min\n",
		 ":3: [agent] window: expected durability window: a whole number with ms, s, min, h "
		 "or d in 0ms..10min, not \"11min\""},
		{GOOD "window = 0x\n",
		 ":3: [agent] window: expected durability window: a whole number with ms, s, min, h "
		 "or d in 0ms..10min, not \"0x\""},
		{GOOD "window = 9223372036854775807d\n",
		 ":3: [agent] window: expected durability window: a whole number with ms, s, min, h "
		 "or d in 0ms..10min, not \"9223372036854775807d\""},
		{GOOD "spool = 1KiB\n",
		 ":3: [agent] spool: expected bytes, KiB, MiB or GiB, at least 64KiB, not \"1KiB\""},
		{GOOD "rate = automatic\n",
		 ":3: [agent] rate: expected auto, or bytes, KiB, MiB or GiB in 0..1MiB, not "
		 "\"automatic\""},
		{GOOD "spool = 1MB\n",
		 ":3: [agent] spool: expected bytes, KiB, MiB or GiB, at least 64KiB, not \"1MB\""},
		{GOOD "trust = kernels\n",
		 ":3: [agent] trust: expected one of: kernel gps core always, not \"kernels\""},
		{GOOD "trust = kernel gps\n",
		 ":3: [agent] trust: expected one of: kernel gps core always, not \"kernel gps\""},
		{GOOD "dashboard = maybe\n",
		 ":3: [agent] dashboard: expected yes or no, not \"maybe\""},
		{GOOD "label = 123456789\n",
		 ":3: [agent] label: expected text with a length in 1..8, not \"123456789\""},
		{GOOD "label =\n",
		 ":3: [agent] label: expected text with a length in 1..8, not \"\""},
		{GOOD "token_file = \n", ":3: [agent] token_file: expected a path, not \"\""},
		{GOOD "broker = depot\n",
		 ":3: [agent] broker: expected host:port or [ipv6]:port, not \"depot\""},
		{GOOD "broker = depot:0\n",
		 ":3: [agent] broker: expected host:port or [ipv6]:port, not \"depot:0\""},
		{GOOD "broker = ::1:80\n",
		 ":3: [agent] broker: expected host:port or [ipv6]:port, not \"::1:80\""},
		{GOOD "broker = [depot]:80\n",
		 ":3: [agent] broker: expected host:port or [ipv6]:port, not \"[depot]:80\""},
		{GOOD "broker = tcp://depot:80\n",
		 ":3: [agent] broker: expected host:port or [ipv6]:port, not \"tcp://depot:80\""},
		{"[agent]\ngateway_id = my gateway\n",
		 ":2: [agent] gateway_id: expected the gateway's id: an id (1..64 letters, digits, "
		 "'.', '_', '-'), not \"my gateway\""},
		{"[agent]\nport = 1\n",
		 ":1: [agent] gateway_id: expected the required key, the gateway's id: an id (1..64 "
		 "letters, digits, '.', '_', '-')"},
		{"", ": [agent]: expected the required section"},
		{GOOD "prot = 1\n",
		 ":3: [agent] prot: expected a known key: gateway_id, label, port, dashboard, "
		 "window, spool, rate, trust, token_file, broker"},
		{GOOD "Port = 1\n",
		 ":3: [agent] Port: expected a known key: gateway_id, label, port, dashboard, "
		 "window, spool, rate, trust, token_file, broker"},
		{GOOD "port = 1\nport = 2\n",
		 ":4: [agent] port: expected every key once; this one stands in line 3 already"},
		{GOOD "port = x\nport = 2\n",
		 ":3: [agent] port: expected a whole number in 1..65535, not \"x\"\n" PATH
		 ":4: [agent] port: expected every key once; this one stands in line 3 already"},
		{GOOD "[broker]\nanything = 1\n",
		 ":3: [broker]: expected a known section: agent, tls, source NAME"},
		{GOOD "[agent]\ngateway_id = b\n",
		 ":3: [agent]: expected every section once; this one began in line 1 already"},
		{GOOD "[source a]\ndevice=x\n[source a]\ndevice=y\nbaud=1\n",
		 ":5: [source a]: expected every section once; this one began in line 3 "
		 "already\n" PATH
		 ":7: [source a] baud: expected a whole number in 300..4000000, not \"1\""},
		{GOOD "[source]\ndevice=x\n",
		 ":3: [source]: expected [source NAME] with a name of 1..64 letters, digits, '.', "
		 "'_', '-'"},
		{GOOD "[source a b]\ndevice=x\n",
		 ":3: [source a b]: expected [source NAME] with a name of 1..64 letters, digits, "
		 "'.', '_', '-'"},
		{GOOD "[tls main]\nca_file=x\n", ":3: [tls main]: expected [tls] without a name"},
		{GOOD "[tls]\n", ":3: [tls] ca_file: expected the required key, a path"},
		{GOOD "[]\n", ":3: expected a known section: agent, tls, source NAME"},
		{GOOD "[tls\nca_file=x\n", ":3: expected a ']' at the end of the heading"},
		{GOOD "[tls] x\nca_file=x\n", ":3: expected nothing after the ']' of a heading"},
		{"port = 1\n" GOOD, ":1: port: expected a [section] heading before the first key"},
		{GOOD "what is this\n",
		 ":3: [agent]: expected a line `key = value`, [section] or a comment"},
		{GOOD "   = 5\n", ":3: [agent]: expected a key in front of the '='"},
		{GOOD "label = a\x01\n", ":3: [agent]: expected text, not control characters"},
		{GOOD "label = a\rport = 1\n",
		 ":3: [agent]: expected text, not control characters"},
		{GOOD "label = \xe4\n", ":3: [agent]: expected text in UTF-8"},
		{GOOD "label = \xc0\xaf\n", ":3: [agent]: expected text in UTF-8"},
		{GOOD "label = \xed\xa0\x80\n", ":3: [agent]: expected text in UTF-8"},
		{GOOD "\xef\xbb\xbfport = 1\n",
		 ":3: [agent] \xef\xbb\xbfport: expected a known key: gateway_id, label, port, "
		 "dashboard, window, spool, rate, trust, token_file, broker"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *got = mistakes(cases[i].text, strlen(cases[i].text));
		char want[600];

		snprintf(want, sizeof(want), PATH "%s\n", cases[i].mistake);
		assert_string_equal(got, want);
		free(got);
	}
}

static void every_mistake_is_found_in_one_go(void **state)
{
	static const char text[] = "x = 1\n[agent]\nport = 0\njunk\nnope = 1\n[what]\n[source a]\n";
	char *got = mistakes(text, strlen(text));

	(void)state;
	assert_string_equal(
		got,
		PATH ":1: x: expected a [section] heading before the first key\n" PATH
		     ":3: [agent] port: expected a whole number in 1..65535, not \"0\"\n" PATH
		     ":4: [agent]: expected a line `key = value`, [section] or a comment\n" PATH
		     ":5: [agent] nope: expected a known key: gateway_id, label, port, dashboard, "
		     "window, spool, rate, trust, token_file, broker\n" PATH
		     ":6: [what]: expected a known section: agent, tls, source NAME\n" PATH
		     ":2: [agent] gateway_id: expected the required key, the gateway's id: an id "
		     "(1..64 letters, digits, '.', '_', '-')\n" PATH
		     ":7: [source a] device: expected the required key, text with a length in "
		     "1..200\n");
	free(got);
}

static void a_nul_byte_is_a_mistake_of_its_line(void **state)
{
	static const char text[] = GOOD "port = 1\0\nlabel = x\n";
	char *got = mistakes(text, sizeof(text) - 1);

	(void)state;
	assert_string_equal(got, PATH ":3: [agent]: expected text, not a NUL byte\n");
	free(got);
}

static void a_byte_order_mark_and_windows_line_ends_are_accepted(void **state)
{
	struct conf *conf =
		parse("\xef\xbb\xbf[agent]\r\ngateway_id = gw-1\r\n\r\nlabel = x\r\n", 0);

	(void)state;
	assert_string_equal(conf_text(conf_get(conf, "agent"), "label"), "x");
	conf_free(conf);
}

static void long_lines_are_whole_or_a_mistake_but_never_cut(void **state)
{
	char text[1600], value[1200];
	struct conf *conf;
	char *got;

	(void)state;
	/* 13 + 187: far more than libinih's own 200 bytes a line with indentation. */
	memset(value, 'v', sizeof(value));
	value[200] = '\0';
	snprintf(text, sizeof(text), GOOD "[source a]\n%200sdevice = %s\n", "", value);
	conf = parse(text, 0);
	assert_string_equal(conf_text(conf_next(conf, "source", NULL), "device"), value);
	conf_free(conf);

	memset(value, 'v', sizeof(value));
	value[1000] = '\0';
	snprintf(text, sizeof(text), GOOD "%s=\nport = 0\n", value);
	got = mistakes(text, strlen(text));
	assert_string_equal(got, PATH ":3: [agent]: expected a line of at most 1000 bytes\n" PATH
				      ":4: [agent] port: expected a whole number in 1..65535, not "
				      "\"0\"\n");
	free(got);
}

static void names_up_to_64_characters_survive(void **state)
{
	char text[300], name[66];
	struct conf *conf;

	(void)state;
	memset(name, 'n', sizeof(name));
	name[64] = '\0';
	snprintf(text, sizeof(text), GOOD "[source %s]\ndevice=x\n", name);
	conf = parse(text, 0);
	assert_string_equal(conf_name(conf_next(conf, "source", NULL)), name);
	conf_free(conf);
	name[64] = 'n';
	name[65] = '\0';
	snprintf(text, sizeof(text), GOOD "[source %s]\ndevice=x\n", name);
	conf_free(parse(text, -EINVAL));
}

static void a_heap_of_mistakes_ends_with_a_word_about_the_rest(void **state)
{
	char text[2501] = "";
	struct conf *conf;

	(void)state;
	for (int i = 0; i < 500; i++)
		memcpy(text + (ptrdiff_t)i * 5, "junk\n", 5);
	conf = parse(text, -EINVAL);
	assert_int_equal(conf_error_count(conf), 100);
	assert_string_equal(conf_error_at(conf, 99)->expected,
			    "fewer mistakes than 100; the rest is not listed");
	assert_null(conf_error_at(conf, 100));
	conf_free(conf);
}

static void the_program_can_add_a_mistake(void **state)
{
	struct conf *conf = parse(GOOD "port = 1\n", 0);
	const struct conf_sect *agent = conf_get(conf, "agent");

	(void)state;
	assert_int_equal(conf_add_error(conf, agent, "port", "another port"), 0);
	assert_int_equal(conf_add_error(conf, agent, "label", "a label"), 0);
	assert_int_equal(conf_error_count(conf), 2);
	assert_int_equal(conf_error_at(conf, 0)->line, 3);
	assert_string_equal(conf_error_at(conf, 0)->section, "agent");
	assert_string_equal(conf_error_at(conf, 0)->key, "port");
	assert_string_equal(conf_error_at(conf, 0)->expected, "another port");
	assert_int_equal(conf_error_at(conf, 1)->line, 1);
	conf_free(conf);
}

static void a_file_is_loaded_and_its_relative_paths_start_beside_it(void **state)
{
	char folder[] = "/tmp/freshet-conf-XXXXXX";
	char path[64], want[80];
	struct conf *conf = NULL;
	FILE *file;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/agent.conf", folder);
	assert_int_equal(conf_load(path, schema, &conf), -ENOENT);
	assert_int_equal(conf_load(folder, schema, &conf), -EISDIR);
	assert_null(conf);

	file = fopen(path, "w");
	assert_non_null(file);
	fputs(GOOD "token_file = token\n", file);
	fclose(file);
	assert_int_equal(conf_load(path, schema, &conf), 0);
	snprintf(want, sizeof(want), "%s/token", folder);
	assert_string_equal(conf_text(conf_get(conf, "agent"), "token_file"), want);
	conf_free(conf);

	conf = NULL;
	assert_int_equal(truncate(path, 1048577), 0);
	assert_int_equal(conf_load(path, schema, &conf), -EFBIG);
	assert_null(conf);
	unlink(path);
	rmdir(folder);
}

static void a_relative_file_gives_absolute_paths_too(void **state)
{
	static const char text[] = GOOD "token_file = token\n";
	char here[1024], want[1100];
	struct conf *conf = NULL;

	(void)state;
	assert_non_null(getcwd(here, sizeof(here)));
	assert_int_equal(conf_parse(text, strlen(text), "a/b.conf", schema, &conf), 0);
	snprintf(want, sizeof(want), "%s/a/token", here);
	assert_string_equal(conf_text(conf_get(conf, "agent"), "token_file"), want);
	conf_free(conf);
	assert_int_equal(conf_parse(text, strlen(text), "b.conf", schema, &conf), 0);
	snprintf(want, sizeof(want), "%s/token", here);
	assert_string_equal(conf_text(conf_get(conf, "agent"), "token_file"), want);
	conf_free(conf);
	assert_int_equal(conf_parse(text, strlen(text), "/b.conf", schema, &conf), 0);
	assert_string_equal(conf_text(conf_get(conf, "agent"), "token_file"), "/token");
	conf_free(conf);
}

/* xorshift64: the same bytes in every run. */
static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void random_text_gives_values_or_mistakes_with_good_lines(void **state)
{
	static const char *const pieces[] = {
		"[agent]",
		"\n",
		"[source ",
		"a",
		"]",
		"gateway_id = g\n",
		"port",
		"=",
		":",
		";",
		"#",
		" ",
		"\t",
		"\r\n",
		"\xef\xbb\xbf",
		"window = 5s\n",
		"device=x\n",
		"[",
		"99999999999",
		"KiB",
		"broker = [::1]:80\n",
		"\"",
		"\xc3\xa4",
		"\n",
		"\n",
	};
	uint64_t seed = 20261120;

	(void)state;
	for (int round = 0; round < 5000; round++) {
		struct conf *conf = NULL;
		char text[512];
		size_t len = 0;
		int lines = 1;
		int r;

		while (len < 400 && next_random(&seed) % 60) {
			uint64_t pick = next_random(&seed);
			const char *piece = pieces[pick % (sizeof(pieces) / sizeof(pieces[0]))];

			if (pick >> 32 & 7) {
				memcpy(text + len, piece, strlen(piece));
				len += strlen(piece);
			} else {
				text[len++] = (char)(pick >> 40);
			}
		}
		for (size_t i = 0; i < len; i++)
			lines += text[i] == '\n';
		r = conf_parse(text, len, PATH, schema, &conf);
		assert_true(r == 0 || r == -EINVAL);
		assert_true((r == 0) == (conf_error_count(conf) == 0));
		for (size_t i = 0; i < conf_error_count(conf); i++)
			assert_in_range(conf_error_at(conf, i)->line, 0, lines);
		conf_free(conf);
	}
}

static void only_the_loopback_is_this_machine(void **state)
{
	(void)state;
	assert_true(conf_host_is_loopback("localhost"));
	assert_true(conf_host_is_loopback("127.0.0.1"));
	assert_true(conf_host_is_loopback("127.255.1.2"));
	assert_true(conf_host_is_loopback("::1"));
	assert_false(conf_host_is_loopback("128.0.0.1"));
	assert_false(conf_host_is_loopback("::2"));
	assert_false(conf_host_is_loopback("localhost.example.org"));
	assert_false(conf_host_is_loopback(""));
}

static void a_secret_is_a_file_of_its_owner_alone(void **state)
{
	static const struct conf_key secret_keys[] = {
		{"secret", CONF_PATH, "", 0, 0, NULL, "a file"},
		{.name = NULL},
	};
	static const struct conf_section secret_schema[] = {
		{"x", CONF_OPTIONAL, secret_keys},
		{.kind = NULL},
	};
	char path[] = "/tmp/freshet-secret-XXXXXX";
	char text[80];
	struct conf *conf = NULL;
	int fd = mkstemp(path);
	size_t mistakes = 0;

	(void)state;
	assert_true(fd >= 0);
	(void)snprintf(text, sizeof(text), "[x]\nsecret = %s\n", path);
	assert_int_equal(conf_parse(text, strlen(text), "t.conf", secret_schema, &conf), 0);
	assert_int_equal(conf_check_secret(conf, conf_get(conf, "x"), "secret"), 0);
	assert_int_equal(conf_error_count(conf), mistakes);
	assert_int_equal(fchmod(fd, 0640), 0);
	assert_int_equal(conf_check_secret(conf, conf_get(conf, "x"), "secret"), 0);
	assert_int_equal(conf_error_count(conf), ++mistakes);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(conf_check_secret(conf, conf_get(conf, "x"), "secret"), 0);
	assert_int_equal(conf_error_count(conf), ++mistakes);
	conf_free(conf);
	(void)close(fd);
}

static const struct conf_key number_keys[] = {
	{.name = "mul", .type = CONF_NUMBER, .fallback = "1.5"},
	{.name = "share", .type = CONF_NUMBER, .fallback = "0", .min = -1, .max = 100},
	{.name = NULL},
};
static const struct conf_section number_schema[] = {
	{"x", CONF_OPTIONAL, number_keys},
	{.kind = NULL},
};

static void decimal_numbers_are_read_within_their_range(void **state)
{
	static const char text[] = "\n[x]\nshare = -0.25e1\nmul=100.0001\n";
	static const char good[] = "# first\n[x]\nshare = 99.5\n";
	static const char *const wrong[] = {"1,5", "0x10", "nan", "1e400", "5 V", ""};
	struct conf *conf = NULL;

	(void)state;
	assert_int_equal(conf_parse(good, strlen(good), PATH, number_schema, &conf), 0);
	assert_float_equal(conf_number(conf_get(conf, "x"), "share"), 99.5, 0);
	assert_float_equal(conf_number(conf_get(conf, "x"), "mul"), 1.5, 0);
	/* A key has its line, a default that of the heading. */
	assert_int_equal(conf_line(conf_get(conf, "x"), "share"), 3);
	assert_int_equal(conf_line(conf_get(conf, "x"), "mul"), 2);
	assert_int_equal(conf_line(conf_get(conf, "x"), NULL), 2);
	conf_free(conf);
	assert_int_equal(conf_parse("", 0, PATH, number_schema, &conf), 0);
	assert_int_equal(conf_line(conf_get(conf, "x"), "mul"), 0);
	conf_free(conf);
	assert_int_equal(conf_parse(text, strlen(text), PATH, number_schema, &conf), -EINVAL);
	assert_int_equal(conf_error_count(conf), 1);
	assert_int_equal(conf_error_at(conf, 0)->line, 3);
	assert_string_equal(conf_error_at(conf, 0)->expected,
			    "a number in -1..100, not \"-0.25e1\"");
	conf_free(conf);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char line[64];

		(void)snprintf(line, sizeof(line), "[x]\nmul = %s\n", wrong[i]);
		assert_int_equal(conf_parse(line, strlen(line), PATH, number_schema, &conf),
				 -EINVAL);
		conf_free(conf);
	}
}

int suite_base_conf(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_read_by_type),
		cmocka_unit_test(what_is_not_said_has_its_default),
		cmocka_unit_test(named_sections_come_in_file_order),
		cmocka_unit_test(good_values_of_each_type_are_taken),
		cmocka_unit_test(each_mistake_names_file_line_key_and_what_was_expected),
		cmocka_unit_test(every_mistake_is_found_in_one_go),
		cmocka_unit_test(a_nul_byte_is_a_mistake_of_its_line),
		cmocka_unit_test(a_byte_order_mark_and_windows_line_ends_are_accepted),
		cmocka_unit_test(long_lines_are_whole_or_a_mistake_but_never_cut),
		cmocka_unit_test(names_up_to_64_characters_survive),
		cmocka_unit_test(a_heap_of_mistakes_ends_with_a_word_about_the_rest),
		cmocka_unit_test(the_program_can_add_a_mistake),
		cmocka_unit_test(a_file_is_loaded_and_its_relative_paths_start_beside_it),
		cmocka_unit_test(a_relative_file_gives_absolute_paths_too),
		cmocka_unit_test(only_the_loopback_is_this_machine),
		cmocka_unit_test(a_secret_is_a_file_of_its_owner_alone),
		cmocka_unit_test(decimal_numbers_are_read_within_their_range),
		cmocka_unit_test(random_text_gives_values_or_mistakes_with_good_lines),
	};

	return cmocka_run_group_tests_name("base.conf", tests, NULL, NULL);
}
