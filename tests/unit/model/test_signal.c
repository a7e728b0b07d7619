#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/signal.h"

int suite_model_signal(void);

static const uint8_t bytes[] = {0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0, 0x81};

static struct model_signal signal_of(uint32_t start, uint8_t bits, enum model_signal_order order,
				     bool is_signed)
{
	return (struct model_signal){.start = start,
				     .bits = bits,
				     .order = order,
				     .is_signed = is_signed,
				     .mul = 1,
				     .div = 1};
}

static void bits_are_taken_where_they_stand(void **state)
{
	static const struct {
		uint32_t start;
		uint8_t bits;
		enum model_signal_order order;
		bool is_signed;
		uint64_t raw;
	} cases[] = {
		{0, 8, MODEL_SIGNAL_BIG, false, 0x12},
		{0, 1, MODEL_SIGNAL_BIG, false, 0},
		{3, 1, MODEL_SIGNAL_BIG, false, 1},
		{71, 1, MODEL_SIGNAL_BIG, false, 1},
		{64, 1, MODEL_SIGNAL_BIG, false, 1},
		{4, 4, MODEL_SIGNAL_BIG, false, 0x2},
		{4, 8, MODEL_SIGNAL_BIG, false, 0x23},
		{4, 12, MODEL_SIGNAL_BIG, false, 0x234},
		{3, 7, MODEL_SIGNAL_BIG, false, 0x48},
		{8, 16, MODEL_SIGNAL_BIG, false, 0x3456},
		{8, 24, MODEL_SIGNAL_BIG, false, 0x345678},
		{0, 64, MODEL_SIGNAL_BIG, false, 0x123456789abcdef0},
		{8, 64, MODEL_SIGNAL_BIG, false, 0x3456789abcdef081},
		{4, 64, MODEL_SIGNAL_BIG, false, 0x23456789abcdef08},
		{1, 63, MODEL_SIGNAL_BIG, false, 0x123456789abcdef0},
		{5, 33, MODEL_SIGNAL_BIG, false, 0x8d159e26},
		{8, 16, MODEL_SIGNAL_REVERSED, false, 0x5634},
		{8, 24, MODEL_SIGNAL_REVERSED, false, 0x785634},
		{4, 16, MODEL_SIGNAL_REVERSED, false, 0x4523},
		{0, 8, MODEL_SIGNAL_REVERSED, false, 0x12},
		{0, 64, MODEL_SIGNAL_REVERSED, false, 0xf0debc9a78563412},
		{8, 64, MODEL_SIGNAL_REVERSED, false, 0x81f0debc9a785634},
		/* Two's complement, extended to 64 bits. */
		{32, 8, MODEL_SIGNAL_BIG, true, (uint64_t)-102},
		{0, 8, MODEL_SIGNAL_BIG, true, 0x12},
		{3, 1, MODEL_SIGNAL_BIG, true, (uint64_t)-1},
		{48, 16, MODEL_SIGNAL_BIG, true, (uint64_t)-8464},
		{48, 16, MODEL_SIGNAL_REVERSED, true, (uint64_t)-3874},
		{40, 32, MODEL_SIGNAL_BIG, true, 0xffffffffbcdef081},
		{0, 64, MODEL_SIGNAL_REVERSED, true, 0xf0debc9a78563412},
		{4, 4, MODEL_SIGNAL_BIG, true, 2},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct model_signal signal = signal_of(cases[i].start, cases[i].bits,
							     cases[i].order, cases[i].is_signed);
		uint64_t raw = 0;

		assert_true(model_signal_raw(&signal, bytes, sizeof(bytes), &raw));
		if (raw != cases[i].raw)
			fail_msg("case %u", (unsigned)i);
	}
}

/* Bit by bit, the slow way. */
static uint64_t slowly(uint32_t start, unsigned bits)
{
	uint64_t raw = 0;

	for (unsigned i = 0; i < bits; i++) {
		const uint32_t at = start + i;

		raw = raw << 1 | (bytes[at / 8] >> (7 - at % 8) & 1U);
	}
	return raw;
}

static void every_place_and_width_agrees_with_single_bits(void **state)
{
	(void)state;
	for (unsigned bits = 1; bits <= 64; bits++) {
		for (uint32_t start = 0; start + bits <= 8 * sizeof(bytes); start++) {
			const struct model_signal signal =
				signal_of(start, (uint8_t)bits, MODEL_SIGNAL_BIG, false);
			uint64_t raw = 0;

			assert_true(model_signal_raw(&signal, bytes, sizeof(bytes), &raw));
			if (raw != slowly(start, bits))
				fail_msg("%u bits at %u", bits, (unsigned)start);
		}
	}
}

static void what_does_not_reach_or_is_none_gives_nothing(void **state)
{
	static const struct {
		uint32_t start;
		uint8_t bits;
		enum model_signal_order order;
		size_t len;
	} cases[] = {
		{0, 8, MODEL_SIGNAL_BIG, 0},       {65, 8, MODEL_SIGNAL_BIG, 9},
		{8, 1, MODEL_SIGNAL_BIG, 1},       {0, 0, MODEL_SIGNAL_BIG, 9},
		{0, 65, MODEL_SIGNAL_BIG, 9},      {0, 255, MODEL_SIGNAL_BIG, 9},
		{0, 12, MODEL_SIGNAL_REVERSED, 9}, {UINT32_MAX, 64, MODEL_SIGNAL_BIG, 9},
		{9, 64, MODEL_SIGNAL_BIG, 9},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct model_signal signal =
			signal_of(cases[i].start, cases[i].bits, cases[i].order, true);
		uint64_t raw = 77;

		if (model_signal_raw(&signal, bytes, cases[i].len, &raw) || raw != 77)
			fail_msg("case %u", (unsigned)i);
	}
}

static bool near(double value, double expected)
{
	return value > expected - 1e-9 && value < expected + 1e-9;
}

static void the_scale_multiplies_divides_and_adds(void **state)
{
	struct model_signal signal = signal_of(0, 16, MODEL_SIGNAL_BIG, false);

	(void)state;
	signal.mul = 100;
	signal.div = 255;
	assert_true(near(model_signal_scale(&signal, 255), 100));
	signal = signal_of(0, 8, MODEL_SIGNAL_BIG, false);
	signal.add = -40;
	assert_true(near(model_signal_scale(&signal, 0), -40));
	signal = signal_of(0, 16, MODEL_SIGNAL_BIG, true);
	signal.div = 10;
	signal.mul = -1;
	assert_true(near(model_signal_scale(&signal, (uint64_t)-3063), 306.3));
	/* The same bits without a sign are a great number. */
	signal = signal_of(0, 64, MODEL_SIGNAL_BIG, false);
	assert_true(model_signal_scale(&signal, UINT64_MAX) > 1.8e19);
}

int suite_model_signal(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bits_are_taken_where_they_stand),
		cmocka_unit_test(every_place_and_width_agrees_with_single_bits),
		cmocka_unit_test(what_does_not_reach_or_is_none_gives_nothing),
		cmocka_unit_test(the_scale_multiplies_divides_and_adds),
	};

	return cmocka_run_group_tests_name("model.signal", tests, NULL, NULL);
}
