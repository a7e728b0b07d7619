/* Vehicle profiles in our own format.
 *
 * An input is a profile; its bytes serve as answers too. Whatever they are: what loads keeps every
 * rule of provider/obd/profile.h, asks for nothing that the gate refuses, and gives no value that is
 * out of its bounds; what does not load is said.
 */
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/protocol/obd2.h"
#include "provider/obd/condition.h"
#include "provider/obd/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PATH "fuzz.conf"
#define ANSWERS_LEN 96

static void check(int right)
{
	if (!right)
		abort();
}

/* A signal set is another file: this fuzzer opens none. (A set itself is fuzzed on its own.) */
static int names_a_file(const uint8_t *data, size_t size)
{
	return memmem(data, size, "obdb", 4) != NULL;
}

static void check_command(const struct profile *profile, size_t i, size_t *signals)
{
	const struct profile_command *command = profile_command(profile, i);
	const struct profile_ecu *ecu = &command->ecu;

	check(command->request_len >= 1 &&
	      command->request_len <= PROFILE_REQUEST_MAX - (ecu->extension ? 1 : 0));
	check(obd2_request_allowed(command->request, command->request_len));
	check(command->echo_len >= 1 && command->echo_len <= command->request_len);
	check(ecu->id_bits == 11 ? ecu->tx <= 0x7ff && ecu->rx <= 0x7ff
				 : ecu->tx <= 0x1fffffff && ecu->rx <= 0x1fffffff);
	check(!ecu->extension == !ecu->tester);
	check(command->period_us >= 100000 || command->when == PROFILE_WHEN_ONCE);
	check(command->signal_first == *signals);
	check(command->signal_count == 0 || command->kind == PROFILE_KIND_SIGNALS);
	check(command->unless_valid < 0 ||
	      profile_condition(profile, command->unless_valid) != NULL);
	*signals += command->signal_count;
}

static void check_signal(const struct profile *profile, const struct profile_signal *signal)
{
	check(signal->format.bits >= 1 && (signal->text || signal->format.bits <= 64));
	check(signal->format.start / 8 < 4095);
	check(isfinite(signal->format.mul) && isfinite(signal->format.add));
	check(signal->format.div > 0 || signal->format.div < 0);
	check(signal->field >= -1 && signal->field < MODEL_FIELD_COUNT);
	check(signal->null_count <= PROFILE_NULLS_MAX);
	check(signal->len_min <= signal->len_max);
	check((unsigned)signal->trust < PROFILE_TRUST_COUNT);
	for (size_t i = 0; i < signal->word_count; i++)
		check(profile_word(profile, signal->word_first + i)->name[0] != '\0');
	check(profile_signal(profile, (size_t)profile_signal_find(profile, signal->id)) == signal);
}

static void check_value(const struct profile *profile, const struct profile_signal *signal,
			const uint8_t *answer, size_t len)
{
	struct profile_value value = {.number = 77};

	if (profile_decode(profile, signal, answer, len, &value) != PROFILE_VALUE)
		return;
	check(isfinite(value.number) && !signal->text);
	check(signal->min > signal->max ||
	      (value.number >= signal->min && value.number <= signal->max));
	check(signal->word_count == 0 || value.word != NULL);
	check(((uint64_t)signal->format.start + signal->format.bits + 7) / 8 < len);
}

struct values {
	const uint8_t *data;
	size_t size, count;
};

/* Any signal may be known or not. */
static bool value_of(void *arg, size_t signal, double *ret_value)
{
	const struct values *values = arg;
	const uint8_t byte = values->data[signal % values->size];

	check(signal < values->count);
	*ret_value = byte;
	return byte % 3 != 0;
}

static void check_conditions(const struct profile *profile, const uint8_t *data, size_t size)
{
	struct values values = {data, size, profile_signal_count(profile)};

	for (int i = 0; profile_condition(profile, i); i++) {
		const enum truth truth =
			condition_eval(profile_condition(profile, i), value_of, &values);

		check(truth == TRUTH_TRUE || truth == TRUTH_FALSE || truth == TRUTH_UNKNOWN);
	}
}

static void check_profile(const struct profile *profile, const uint8_t *data, size_t size)
{
	const size_t len = size < ANSWERS_LEN ? size : ANSWERS_LEN;
	size_t signals = 0;

	check(profile_name(profile)[0] != '\0' && strcmp(profile_path(profile), PATH) == 0);
	check(profile_command_count(profile) >= 1 &&
	      profile_command_count(profile) <= PROFILE_COMMANDS_MAX &&
	      profile_signal_count(profile) <= PROFILE_SIGNALS_MAX);
	for (size_t i = 0; i < profile_command_count(profile); i++)
		check_command(profile, i, &signals);
	check(signals == profile_signal_count(profile));
	for (size_t i = 0; i < signals; i++) {
		check_signal(profile, profile_signal(profile, i));
		for (size_t from = 0; from < len; from += 13)
			check_value(profile, profile_signal(profile, i), data + from, len - from);
	}
	check_conditions(profile, data, size);
	check(profile_matches_vin(profile, "KMHKM81AFNU000001") <= 17);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct profile *profile = NULL;
	char *said = NULL;
	size_t said_len = 0;
	FILE *errors;
	int r;

	if (size == 0 || names_a_file(data, size))
		return 0;
	errors = open_memstream(&said, &said_len);
	if (!errors)
		return 0;
	r = profile_parse((const char *)data, size, PATH, obd2_request_allowed, errors, &profile);
	check(fclose(errors) == 0);
	check(r == 0 || r == -EINVAL || r == -EFBIG || r == -ENOMEM);
	check((r == 0) == (profile != NULL));
	check(r == 0 || strncmp(said, PATH ":", strlen(PATH) + 1) == 0);
	if (profile)
		check_profile(profile, data, size);
	profile_free(profile);
	free(said);
	return 0;
}
