#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "agent/protocol/dbc.h"
#include "agent/protocol/j1939.h"

int suite_agent_dbc(void);

static struct dbc_message messages[8];
static struct dbc_signal signals[32];
static struct dbc_range ranges[16];
static struct dbc_value values[16];
static struct dbc dbc;
static struct dbc_error error;

static bool parse(const char *text)
{
	dbc = (struct dbc){.messages = messages,
			   .message_cap = 8,
			   .signals = signals,
			   .signal_cap = 32,
			   .ranges = ranges,
			   .range_cap = 16,
			   .values = values,
			   .value_cap = 16};
	memset(&error, 0, sizeof(error));
	return dbc_parse(&dbc, text, strlen(text), &error);
}

static const struct dbc_signal *named(const char *name)
{
	for (size_t i = 0; i < dbc.signal_count; i++)
		if (dbc.signals[i].name.len == strlen(name) &&
		    memcmp(dbc.signals[i].name.data, name, strlen(name)) == 0)
			return &dbc.signals[i];
	return NULL;
}

static void expect(const char *name, const uint8_t data[8], double value)
{
	double got = -12345;

	assert_non_null(named(name));
	assert_true(dbc_number(&dbc, named(name), data, 8, &got));
	assert_true(got >= value - 1e-6 && got <= value + 1e-6);
}

static void expect_absent(const char *name, const uint8_t data[8])
{
	double got = -12345;

	assert_non_null(named(name));
	assert_false(dbc_number(&dbc, named(name), data, 8, &got));
	assert_true(got < -12344);
}

static const char head[] = "VERSION \"1.0\"\n\n"
			   "NS_ :\n\tNS_DESC_\n\tCM_\n\tVAL_\n\tSG_MUL_VAL_\n\n"
			   "BS_:\n\nBU_: Engine Cluster\n\n";

static void byte_orders_signs_and_factors(void **state)
{
	const uint8_t data[8] = {0x12, 0x34, 0xf6, 0xff, 0x80, 0x01, 0xff, 0x7e};
	char text[1024];

	(void)state;
	(void)snprintf(text, sizeof(text),
		       "%sBO_ 256 Frame: 8 Engine\n"
		       " SG_ Intel16 : 0|16@1+ (1,0) [0|65535] \"\" Cluster\n"
		       " SG_ Motorola16 : 7|16@0+ (1,0) [0|65535] \"\" Cluster\n"
		       " SG_ IntelSigned : 16|16@1- (0.5,10) [0|0] \"degC\" Cluster\n"
		       " SG_ MotorolaSigned : 39|9@0- (1,0) [0|0] \"\" Cluster\n"
		       " SG_ IntelAcross : 4|12@1+ (1,0) [0|0] \"\" Cluster\n"
		       " SG_ MotorolaAcross : 3|12@0+ (2,-100) [0|0] \"\" Cluster,Engine\n"
		       " SG_ Negative : 48|8@1+ (-1,1e1) [-245|10] \"\" Cluster\n"
		       " SG_ One : 63|1@1+ (1,0) [0|1] \"\" Cluster\n",
		       head);
	assert_true(parse(text));
	assert_int_equal(dbc.message_count, 1);
	expect("Intel16", data, 0x3412);
	expect("Motorola16", data, 0x1234);
	expect("IntelSigned", data, -10 * 0.5 + 10);
	expect("MotorolaSigned", data, -256); /* 0x80 and the first bit of 0x01: 100000000 */
	expect("IntelAcross", data, 0x341);
	expect("MotorolaAcross", data, 0x234 * 2 - 100);
	expect("Negative", data, 10 - 255);
	expect("One", data, 0);
	assert_memory_equal(named("IntelSigned")->unit.data, "degC", 4);
}

static void sixty_four_bits_in_both_orders(void **state)
{
	const uint8_t data[8] = {0x80, 0, 0, 0, 0, 0, 0, 1};
	uint64_t raw = 0;

	(void)state;
	assert_true(parse("BO_ 1 A: 8 X\n SG_ I : 0|64@1- (1,0) [0|0] \"\" X\n"
			  " SG_ M : 7|64@0- (1,0) [0|0] \"\" X\n"));
	assert_true(dbc_raw(&dbc, named("I"), data, 8, &raw));
	assert_true(raw == UINT64_C(0x0100000000000080));
	assert_true(dbc_raw(&dbc, named("M"), data, 8, &raw));
	assert_true(raw == UINT64_C(0x8000000000000001));
	assert_false(dbc_raw(&dbc, named("M"), data, 7, &raw));
}

static void simple_multiplexing_shows_one_page_at_a_time(void **state)
{
	const uint8_t page0[8] = {0, 42};
	const uint8_t page1[8] = {1, 42};
	const uint8_t page9[8] = {9, 42};

	(void)state;
	assert_true(parse("BO_ 2566844672 M: 8 X\n SG_ Page M : 0|8@1+ (1,0) [0|0] \"\" X\n"
			  " SG_ Zero m0 : 8|8@1+ (1,0) [0|0] \"\" X\n"
			  " SG_ One m1 : 8|8@1+ (2,0) [0|0] \"\" X\n"));
	assert_true(dbc.messages[0].extended);
	assert_int_equal(dbc.messages[0].id, 2566844672U & 0x1fffffff);
	expect("Page", page1, 1);
	expect("Zero", page0, 42);
	expect_absent("One", page0);
	expect("One", page1, 84);
	expect_absent("Zero", page1);
	expect_absent("Zero", page9);
	expect_absent("One", page9);
}

static void extended_multiplexing_nests_and_has_ranges(void **state)
{
	const uint8_t inner5[8] = {1, 5, 77};
	const uint8_t inner7[8] = {1, 7, 77};
	const uint8_t outer0[8] = {0, 5, 77};

	(void)state;
	assert_true(parse("BO_ 100 M: 8 X\n SG_ Outer M : 0|8@1+ (1,0) [0|0] \"\" X\n"
			  " SG_ Inner m1M : 8|8@1+ (1,0) [0|0] \"\" X\n"
			  " SG_ Deep m5 : 16|8@1+ (1,0) [0|0] \"\" X\n"
			  " SG_ Plain m0 : 16|8@1+ (1,0) [0|0] \"\" X\n"
			  "SG_MUL_VAL_ 100 Inner Outer 1-1;\n"
			  "SG_MUL_VAL_ 100 Deep Inner 2-3, 5-6;\n"
			  "SG_MUL_VAL_ 100 Plain Outer 0-0;\n"));
	expect("Deep", inner5, 77);
	expect_absent("Deep", inner7);
	expect_absent("Deep", outer0);
	expect_absent("Inner", outer0);
	expect("Plain", outer0, 77);
}

static void floats_and_doubles(void **state)
{
	uint8_t data[8] = {0};
	const float small = -1.5F;
	const double large = 3.25e10;
	const uint8_t nan_bytes[8] = {0, 0, 0xc0, 0x7f, 0, 0, 0, 0};

	(void)state;
	assert_true(parse("BO_ 1 A: 8 X\n SG_ F : 0|32@1- (2,1) [0|0] \"\" X\n"
			  "BO_ 2 B: 8 X\n SG_ D : 0|64@1- (1,0) [0|0] \"\" X\n"
			  "SIG_VALTYPE_ 1 F : 1;\nSIG_VALTYPE_ 2 D 2;\n"));
	memcpy(data, &small, sizeof(small));
	expect("F", data, -2);
	memcpy(data, &large, sizeof(large));
	expect("D", data, 3.25e10);
	expect_absent("F", nan_bytes);
}

static void raw_values_have_names(void **state)
{
	const uint8_t data[8] = {0xff, 2};
	const struct dbc_text *name;
	uint64_t raw;

	(void)state;
	assert_true(parse("BO_ 1 A: 8 X\n SG_ S : 0|8@1- (1,0) [0|0] \"\" X\n"
			  " SG_ G : 8|8@1+ (1,0) [0|0] \"\" X\n"
			  "VAL_TABLE_ T 0 \"a;b\" 1 \"c\" ;\n"
			  "VAL_ 1 S -1 \"say \\\"n/a\\\"\" 0 \"ok\" ;\nVAL_ 1 G 2 \"drive\" ;\n"
			  "VAL_ SomeEnvironment 0 \"x\" ;\n"));
	assert_true(dbc_raw(&dbc, named("S"), data, 8, &raw));
	name = dbc_value_name(&dbc, named("S"), raw);
	assert_non_null(name);
	assert_memory_equal(name->data, "say", 3);
	assert_true(dbc_raw(&dbc, named("G"), data, 8, &raw));
	name = dbc_value_name(&dbc, named("G"), raw);
	assert_non_null(name);
	assert_int_equal(name->len, 5);
	assert_null(dbc_value_name(&dbc, named("G"), 3));
}

static void what_is_not_read_is_passed_over(void **state)
{
	(void)state;
	assert_true(parse("\xef\xbb\xbfVERSION \"\"\r\nBU_: A\r\n  B C\r\n"
			  "BO_ 3221225472 VECTOR__INDEPENDENT_SIG_MSG: 0 Vector__XXX\r\n"
			  " SG_ Orphan : 0|8@1+ (1,0) [0|0] \"\" Vector__XXX\r\n\r\n"
			  "BO_ 5 A: 8 X\r\n SG_ S : 0|8@1+ (1,0) [0|0] \"\" X\r\n"
			  "CM_ SG_ 5 S \"a comment; with BO_ 7 in it\r\nover two lines\";\r\n"
			  "BA_DEF_ BO_ \"GenMsgCycleTime\" INT 0 65535;\r\n"
			  "BA_ \"GenMsgCycleTime\" BO_ 5 100;\r\nBO_TX_BU_ 5 : A,B;\r\n"
			  "SIG_VALTYPE_ 3221225472 Orphan : 1;\r\nSIG_GROUP_ 5 G 1 : S;\r\n"));
	assert_int_equal(dbc.message_count, 1);
	assert_int_equal(dbc.signal_count, 1);
}

static void a_message_is_found_by_identifier_or_group(void **state)
{
	(void)state;
	assert_true(parse("BO_ 2364540158 EEC1: 8 X\n" /* 0x8CF004FE */
			  " SG_ EngineSpeed : 24|16@1+ (0.125,0) [0|8031.875] \"rpm\" X\n"
			  "BO_ 1280 Other: 8 X\n SG_ S : 0|8@1+ (1,0) [0|0] \"\" X\n"));
	assert_ptr_equal(dbc_find(&dbc, 0x0cf004fe, true), &dbc.messages[0]);
	assert_null(dbc_find(&dbc, 0x0cf004fe, false));
	assert_ptr_equal(dbc_find(&dbc, 1280, false), &dbc.messages[1]);
	assert_ptr_equal(dbc_find_pgn(&dbc, 61444), &dbc.messages[0]);
	assert_null(dbc_find_pgn(&dbc, 61443));
}

static void a_dbc_and_the_table_of_parameters_agree(void **state)
{
	const uint8_t data[8] = {0xf0, 0x7d, 0x8c, 0x28, 0x23, 0x00, 0xff, 0xff};
	double by_table = 0;

	(void)state;
	assert_true(parse("BO_ 2364540158 EEC1: 8 X\n"
			  " SG_ ActualTorque : 16|8@1+ (1,-125) [-125|125] \"%\" X\n"
			  " SG_ EngineSpeed : 24|16@1+ (0.125,0) [0|8031.875] \"rpm\" X\n"));
	assert_int_equal(j1939_value(j1939_spn_find("engine_speed"), data, 8, &by_table), J1939_OK);
	expect("EngineSpeed", data, by_table);
	assert_int_equal(j1939_value(j1939_spn_find("actual_torque"), data, 8, &by_table),
			 J1939_OK);
	expect("ActualTorque", data, by_table);
}

static void wrong_files_are_refused_with_line_and_reason(void **state)
{
	static const struct {
		const char *text;
		unsigned line;
		const char *reason;
	} cases[] = {
		{"", 1, "no message"},
		{"<html>", 1, "expected a keyword"},
		{"VERSION \"\"\nfoo bar;\n", 2, "not a keyword"},
		{"BO_ x A: 8 X\n", 1, "expected a whole number"},
		{"BO_ 1 A 8 X\n", 1, "expected ':'"},
		{"BO_ 1 1A: 8 X\n", 1, "expected the name of a message"},
		{"BO_ 4096 A: 8 X\n", 1, "neither 11 nor 29"},
		{"BO_ 4294967295 A: 8 X\n", 1, "neither 11 nor 29"},
		{"BO_ 99999999999 A: 8 X\n", 1, "too large"},
		{"BO_ 1 A: 1786 X\n", 1, "more than 1,785"},
		{"BO_ 1 A: 8 X\nBO_ 1 B: 8 X\n", 2, "another message has"},
		{" SG_ S : 0|8@1+ (1,0) [0|0] \"\" X\n", 1, "before the first message"},
		{"BO_ 1 A: 8 X\n SG_ S 0|8@1+ (1,0) [0|0] \"\" X\n", 2, "expected M, m"},
		{"BO_ 1 A: 8 X\n SG_ S q3 : 0|8@1+ (1,0) [0|0] \"\" X\n", 2, "expected M, m"},
		{"BO_ 1 A: 8 X\n SG_ S : 0|0@1+ (1,0) [0|0] \"\" X\n", 2, "without bits"},
		{"BO_ 1 A: 8 X\n SG_ S : 0|65@1+ (1,0) [0|0] \"\" X\n", 2, "too large"},
		{"BO_ 1 A: 8 X\n SG_ S : 0|8@2+ (1,0) [0|0] \"\" X\n", 2, "byte order"},
		{"BO_ 1 A: 8 X\n SG_ S : 0|8@1* (1,0) [0|0] \"\" X\n", 2, "expected + "},
		{"BO_ 1 A: 8 X\n SG_ S : 0|8@1+ (0,0) [0|0] \"\" X\n", 2, "factor of 0"},
		{"BO_ 1 A: 8 X\n SG_ S : 0|8@1+ (a,0) [0|0] \"\" X\n", 2, "expected a number"},
		{"BO_ 1 A: 8 X\n SG_ S : 0|8@1+ (1,0) [0|0] unit X\n", 2, "in quotes"},
		{"BO_ 1 A: 8 X\n SG_ S : 0|8@1+ (1,0) [0|0] \"unit\n", 3, "closing quote"},
		{"BO_ 1 A: 1 X\n SG_ S : 1|8@1+ (1,0) [0|0] \"\" X\n", 2, "past the end"},
		{"BO_ 1 A: 1 X\n SG_ S : 6|8@0+ (1,0) [0|0] \"\" X\n", 2, "past the end"},
		{"BO_ 1 A: 8 X\n SG_ S : 0|8@1+ (1,0) [0|0] \"\" X\n"
		 " SG_ S : 8|8@1+ (1,0) [0|0] \"\" X\n",
		 3, "has already"},
		{"BO_ 1 A: 8 X\n SG_ S m1 : 0|8@1+ (1,0) [0|0] \"\" X\n", 2, "no multiplexer"},
		{"BO_ 1 A: 8 X\n SG_ P M : 0|8@1+ (1,0) [0|0] \"\" X\n"
		 " SG_ Q M : 8|8@1+ (1,0) [0|0] \"\" X\n SG_ S m1 : 16|8@1+ (1,0) [0|0] \"\" X\n",
		 4, "several multiplexers"},
		{"BO_ 1 A: 8 X\n SG_ P m1M : 0|8@1+ (1,0) [0|0] \"\" X\n"
		 " SG_ Q m1M : 8|8@1+ (1,0) [0|0] \"\" X\n"
		 "SG_MUL_VAL_ 1 P Q 1-1;\nSG_MUL_VAL_ 1 Q P 1-1;\n",
		 2, "in a ring"},
		{"BO_ 1 A: 8 X\n SG_ S : 0|8@1+ (1,0) [0|0] \"\" X\nSIG_VALTYPE_ 1 S : 1;\n", 3,
		 "float of 32"},
		{"BO_ 1 A: 8 X\nVAL_ 2 S 0 \"a\" ;\n", 2, "not in the file"},
		{"BO_ 1 A: 8 X\nVAL_ 1 S 0 \"a\" ;\n", 2, "does not have"},
		{"BO_ 1 A: 8 X\nCM_ \"no end\"", 2, "without its ';'"},
		{"BO_ 1 A: 8 X\n SG_ P M : 0|8@1+ (1,0) [0|0] \"\" X\n"
		 " SG_ S m1 : 8|8@1+ (1,0) [0|0] \"\" X\nSG_MUL_VAL_ 1 S P 5-2;\n",
		 4, "ends before it begins"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_false(parse(cases[i].text));
		if (error.line != cases[i].line || !strstr(error.reason, cases[i].reason))
			fail_msg("case %u: line %u, %s", (unsigned)i, error.line, error.reason);
	}
}

static void room_that_was_measured_is_enough_and_too_little_is_told(void **state)
{
	static const char text[] = "BO_ 1 A: 8 X\n SG_ P M : 0|8@1+ (1,0) [0|0] \"\" X\n"
				   " SG_ S m1 : 8|8@1+ (1,0) [0|0] \"\" X\n"
				   "SG_MUL_VAL_ 1 S P 1-1, 3-4;\nVAL_ 1 P 0 \"a\" 1 \"b\" ;\n";
	struct dbc caps;

	(void)state;
	dbc_measure(text, sizeof(text) - 1, &caps);
	assert_true(parse(text));
	assert_true(caps.message_cap >= dbc.message_count);
	assert_true(caps.signal_cap >= dbc.signal_count);
	assert_true(caps.range_cap >= dbc.range_count);
	assert_true(caps.value_cap >= dbc.value_count);
	dbc.value_cap = 1;
	assert_false(dbc_parse(&dbc, text, sizeof(text) - 1, &error));
	assert_non_null(strstr(error.reason, "too many"));
	dbc.signal_cap = 1;
	assert_false(dbc_parse(&dbc, text, sizeof(text) - 1, &error));
	assert_non_null(strstr(error.reason, "too many"));
}

int suite_agent_dbc(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(byte_orders_signs_and_factors),
		cmocka_unit_test(sixty_four_bits_in_both_orders),
		cmocka_unit_test(simple_multiplexing_shows_one_page_at_a_time),
		cmocka_unit_test(extended_multiplexing_nests_and_has_ranges),
		cmocka_unit_test(floats_and_doubles),
		cmocka_unit_test(raw_values_have_names),
		cmocka_unit_test(what_is_not_read_is_passed_over),
		cmocka_unit_test(a_message_is_found_by_identifier_or_group),
		cmocka_unit_test(a_dbc_and_the_table_of_parameters_agree),
		cmocka_unit_test(wrong_files_are_refused_with_line_and_reason),
		cmocka_unit_test(room_that_was_measured_is_enough_and_too_little_is_told),
	};

	return cmocka_run_group_tests_name("agent.dbc", tests, NULL, NULL);
}
