#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/protocol/j1939_claim.h"

#define MS INT64_C(1000)

static struct j1939_claim claim;
static struct j1939_claim_frame out;

static void make(void)
{
	j1939_claim_init(&claim, j1939_name(0x12345), J1939_SERVICE_TOOL);
	memset(&out, 0, sizeof(out));
}

/* Somebody claims an address. */
static bool other_claims(uint8_t address, uint64_t name, int64_t now_us)
{
	const struct j1939_id id = {
		.pgn = J1939_PGN_CLAIM, .destination = J1939_GLOBAL, .source = address};
	uint8_t data[8];

	for (unsigned i = 0; i < 8; i++)
		data[i] = (uint8_t)(name >> 8 * i);
	return j1939_claim_feed(&claim, &id, data, 8, now_us, &out);
}

static bool other_asks(uint8_t destination, uint32_t pgn)
{
	const struct j1939_id id = {
		.pgn = J1939_PGN_REQUEST, .destination = destination, .source = 0};
	const uint8_t data[3] = {pgn & 0xff, pgn >> 8 & 0xff, pgn >> 16 & 0xff};

	return j1939_claim_feed(&claim, &id, data, 3, 0, &out);
}

static void the_preferred_address_is_ours_when_nobody_objects(void **state)
{
	static const uint8_t name[8] = {0x45, 0x23, 0xe1, 0xff, 0x00, 0xff, 0xfe, 0x80};

	(void)state;
	make();
	assert_true(j1939_claim_start(&claim, 0, &out));
	assert_int_equal(j1939_id_make(&out.id), 0x18eefff9);
	assert_memory_equal(out.data, name, 8);
	assert_int_equal(claim.state, J1939_CLAIM_WAITING);
	assert_false(j1939_claim_tick(&claim, 249 * MS, &out));
	assert_int_equal(claim.state, J1939_CLAIM_WAITING);
	assert_false(j1939_claim_tick(&claim, 250 * MS, &out));
	assert_int_equal(claim.state, J1939_CLAIM_DONE);
	assert_int_equal(claim.address, 0xf9);
	assert_true(claim.due_us == INT64_MAX);
}

static void a_weaker_name_is_told_that_the_address_is_taken(void **state)
{
	(void)state;
	make();
	(void)j1939_claim_start(&claim, 0, &out);
	memset(&out, 0, sizeof(out));
	assert_true(other_claims(0xf9, claim.name + 1, 10 * MS));
	assert_int_equal(j1939_id_make(&out.id), 0x18eefff9);
	(void)j1939_claim_tick(&claim, 250 * MS, &out);
	assert_int_equal(claim.state, J1939_CLAIM_DONE);
	assert_true(other_claims(0xf9, claim.name + 1, 900 * MS));
	assert_false(other_claims(0x10, 1, 900 * MS));
}

static void a_stronger_name_takes_the_address_and_another_is_claimed(void **state)
{
	(void)state;
	make();
	(void)other_claims(128, 5, 0);
	(void)j1939_claim_start(&claim, 0, &out);
	assert_true(other_claims(0xf9, 1, 10 * MS));
	assert_int_equal(j1939_id_make(&out.id), 0x18eeff81);
	assert_int_equal(claim.state, J1939_CLAIM_WAITING);
	assert_false(j1939_claim_tick(&claim, 259 * MS, &out));
	assert_false(j1939_claim_tick(&claim, 260 * MS, &out));
	assert_int_equal(claim.state, J1939_CLAIM_DONE);
	assert_int_equal(claim.address, 129);
	assert_int_equal(claim.lost, 1);
	/* Also later. */
	assert_true(other_claims(129, 1, 5000 * MS));
	assert_int_equal(claim.state, J1939_CLAIM_WAITING);
	assert_int_equal(claim.address, 130);
}

static void an_address_that_is_heard_is_not_claimed(void **state)
{
	const struct j1939_id id = {.pgn = 65265, .source = 0xf9};

	(void)state;
	make();
	assert_false(j1939_claim_feed(&claim, &id, (const uint8_t[8]){0}, 8, 0, &out));
	assert_true(j1939_claim_start(&claim, 0, &out));
	assert_int_equal(claim.address, 128);
}

static void who_finds_no_address_says_so_once_and_is_silent(void **state)
{
	int64_t due;

	(void)state;
	make();
	for (unsigned address = 128; address <= 247; address++)
		(void)other_claims((uint8_t)address, 5, 0);
	(void)j1939_claim_start(&claim, 0, &out);
	memset(&out, 0, sizeof(out));
	assert_false(other_claims(0xf9, 1, 10 * MS));
	assert_int_equal(claim.state, J1939_CLAIM_HOPELESS);
	due = claim.due_us;
	assert_true(due >= 10 * MS && due <= 10 * MS + 153 * MS);
	assert_true(j1939_claim_tick(&claim, due, &out));
	assert_int_equal(j1939_id_make(&out.id), 0x18eefffe);
	assert_false(j1939_claim_tick(&claim, due + 1000 * MS, &out));
	/* Who asks is told. */
	assert_true(other_asks(J1939_GLOBAL, J1939_PGN_CLAIM));
	assert_int_equal(j1939_id_make(&out.id), 0x18eefffe);
}

static void who_asks_for_claims_is_answered(void **state)
{
	(void)state;
	make();
	assert_false(other_asks(J1939_GLOBAL, J1939_PGN_CLAIM));
	(void)j1939_claim_start(&claim, 0, &out);
	(void)j1939_claim_tick(&claim, 250 * MS, &out);
	assert_true(other_asks(J1939_GLOBAL, J1939_PGN_CLAIM));
	assert_true(other_asks(0xf9, J1939_PGN_CLAIM));
	assert_int_equal(j1939_id_make(&out.id), 0x18eefff9);
	assert_false(other_asks(0x10, J1939_PGN_CLAIM));
	assert_false(other_asks(0xf9, J1939_PGN_VI));
}

static void our_own_frame_is_no_rival(void **state)
{
	(void)state;
	make();
	(void)j1939_claim_start(&claim, 0, &out);
	assert_false(other_claims(0xf9, claim.name, 10 * MS));
	assert_int_equal(claim.state, J1939_CLAIM_WAITING);
}

int suite_agent_j1939_claim(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_preferred_address_is_ours_when_nobody_objects),
		cmocka_unit_test(a_weaker_name_is_told_that_the_address_is_taken),
		cmocka_unit_test(a_stronger_name_takes_the_address_and_another_is_claimed),
		cmocka_unit_test(an_address_that_is_heard_is_not_claimed),
		cmocka_unit_test(who_finds_no_address_says_so_once_and_is_silent),
		cmocka_unit_test(who_asks_for_claims_is_answered),
		cmocka_unit_test(our_own_frame_is_no_rival),
	};

	return cmocka_run_group_tests_name("agent.j1939.claim", tests, NULL, NULL);
}
