/* What a signal set of OBDb may say. An input is the file. Whatever it says: a set loads or its mistakes
 * are said with file and line; what loads sends nothing that the gate refuses, and gives no value that
 * its own bounds forbid.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/protocol/obd2.h"
#include "provider/obd/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ANSWER_SIZE 80

static void check(int right)
{
	if (!right)
		abort();
}

static void check_command(const struct profile *profile, const struct profile_command *command)
{
	const struct profile_ecu *ecu = &command->ecu;

	check(obd2_request_allowed(command->request, command->request_len));
	check(command->request[0] != 0x3e);
	check(command->echo_len >= 1 && command->echo_len <= command->request_len);
	check(ecu->id_bits == 11 || ecu->id_bits == 29);
	check(ecu->tx < UINT32_C(1) << ecu->id_bits && ecu->rx < UINT32_C(1) << ecu->id_bits);
	check(ecu->rx || ecu->functional || ecu->id_bits == 29 ||
	      (ecu->tx >= 0x7e0 && ecu->tx <= 0x7e7));
	check(command->period_us > 0 && command->kind == PROFILE_KIND_SIGNALS);
	check(command->signal_first + command->signal_count <= profile_signal_count(profile));
	check(memchr(command->id, '\0', sizeof(command->id)) != NULL);
}

static void check_value(const struct profile *profile, const struct profile_signal *signal,
			const uint8_t *answer, size_t len)
{
	struct profile_value value;

	if (profile_decode(profile, signal, answer, len, &value) != PROFILE_VALUE)
		return;
	check(!signal->text);
	check(signal->min > signal->max ||
	      (value.number >= signal->min && value.number <= signal->max));
	check((signal->word_count > 0) == (value.word != NULL));
	for (size_t i = 0; i < signal->null_count; i++)
		check(signal->nulls[i].raw || value.number < signal->nulls[i].first ||
		      value.number > signal->nulls[i].last);
}

static void check_signals(const struct profile *profile, const struct profile_command *command)
{
	uint8_t answer[ANSWER_SIZE];

	for (size_t i = 0; i < command->signal_count; i++) {
		const struct profile_signal *signal =
			profile_signal(profile, command->signal_first + i);

		check(signal->format.bits >= 1 && isfinite(signal->format.mul));
		check(profile_signal_find(profile, signal->id) >= 0);
		for (unsigned pattern = 0; pattern < 256; pattern += 51) {
			memset(answer, (int)pattern, sizeof(answer));
			check_value(profile, signal, answer, sizeof(answer));
			check_value(profile, signal, answer, command->echo_len);
			check_value(profile, signal, answer, 0);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct profile *profile = NULL;
	char *said = NULL;
	size_t len = 0;
	FILE *errors;
	int r;

	/* The other format has a fuzzer of its own. */
	if (size == 0 || data[0] != '{')
		return 0;
	errors = open_memstream(&said, &len);
	check(errors != NULL);
	r = profile_parse((const char *)data, size, "set", obd2_request_allowed, errors, &profile);
	check(fclose(errors) == 0);
	check(r == 0 || r == -EINVAL || r == -EFBIG);
	check((r == 0) == (profile != NULL));
	check(r == 0 || strncmp(said, "set:", 4) == 0);
	for (size_t i = 0; profile && i < profile_command_count(profile); i++) {
		check_command(profile, profile_command(profile, i));
		check_signals(profile, profile_command(profile, i));
	}
	profile_free(profile);
	free(said);
	return 0;
}
