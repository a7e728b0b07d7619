/* The rules that a command and a signal keep, whichever format they came in. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/ids.h"
#include "provider/obd/profile_priv.h"

#define ID_MAX_11 0x7ffU
#define ID_MAX_29 0x1fffffffU
#define PERIOD_MIN_US ((int64_t)100 * 1000)
#define PERIOD_MAX_US ((int64_t)7 * 24 * 3600 * 1000 * 1000)
#define TEXT_BITS_MAX 248 /* 31 bytes: what uint8_t bits can say */

/* ---- commands ---- */

struct subject {
	struct profile_build *build;
	const char *kind, *id;
	int line;
};

#define FAULT(s, key, ...)                                                                         \
	profile_build_fault((s)->build, (s)->kind, (s)->id, (s)->line, key, __VA_ARGS__)

static int check_ids(const struct subject *at, const struct profile_ecu *ecu)
{
	const uint32_t most = ecu->id_bits == 29 ? ID_MAX_29 : ID_MAX_11;

	if (ecu->id_bits != 11 && ecu->id_bits != 29)
		return FAULT(at, "ecu", "identifiers of 11 or 29 bits");
	if (ecu->tx > most || ecu->rx > most)
		return FAULT(at, "ecu", "identifiers up to %X", most);
	return 0;
}

/* Does the protocol say which identifier answers? ISO 15765-4, 6.3. */
static bool answer_known(const struct profile_ecu *ecu)
{
	if (ecu->functional)
		return true;
	if (ecu->id_bits == 29)
		return (ecu->tx & 0x1fff00ffU) == 0x18da00f1U;
	return ecu->tx >= 0x7e0 && ecu->tx <= 0x7e7;
}

static int check_ecu(const struct subject *at, const struct profile_ecu *ecu)
{
	const int r = check_ids(at, ecu);

	if (r < 0)
		return r;
	if (!ecu->rx && !answer_known(ecu))
		return FAULT(at, "ecu",
			     "the answer's identifier after the request's: no standard "
			     "says who answers this one");
	if (ecu->rx && ecu->rx == ecu->tx)
		return FAULT(at, "ecu", "an answer's identifier that is not the request's");
	if (ecu->functional && ecu->extension)
		return FAULT(at, "extension", "no extended addressing where all units are asked");
	return 0;
}

static bool begins(const struct profile_command *command, const uint8_t *bytes, size_t len)
{
	return command->request_len >= len && memcmp(command->request, bytes, len) == 0;
}

static bool kind_fits(const struct profile_command *command)
{
	const uint8_t service = command->request[0];

	switch (command->kind) {
	case PROFILE_KIND_SIGNALS:
		return true;
	case PROFILE_KIND_DTC_CONFIRMED:
		return service == 0x03 || begins(command, (const uint8_t[]){0x19, 0x02}, 2);
	case PROFILE_KIND_DTC_PENDING:
		return service == 0x07;
	case PROFILE_KIND_DTC_PERMANENT:
		return service == 0x0a;
	case PROFILE_KIND_VIN:
		return begins(command, (const uint8_t[]){0x09, 0x02}, 2) ||
		       begins(command, (const uint8_t[]){0x22, 0xf1, 0x90}, 3) ||
		       begins(command, (const uint8_t[]){0x21, 0x81}, 2);
	case PROFILE_KIND_CALIBRATION:
		return begins(command, (const uint8_t[]){0x09, 0x04}, 2);
	case PROFILE_KIND_COUNT:
		break;
	}
	return false;
}

static int check_kind(const struct subject *at, const struct profile_command *command)
{
	static const char *const wants[PROFILE_KIND_COUNT] = {
		[PROFILE_KIND_SIGNALS] = "any request that reads",
		[PROFILE_KIND_DTC_CONFIRMED] = "03 or 19 02 and a mask",
		[PROFILE_KIND_DTC_PENDING] = "07",
		[PROFILE_KIND_DTC_PERMANENT] = "0A",
		[PROFILE_KIND_VIN] = "09 02, 22 F1 90 or 21 81",
		[PROFILE_KIND_CALIBRATION] = "09 04",
	};

	if ((unsigned)command->kind >= PROFILE_KIND_COUNT)
		return FAULT(at, "kind", "a known kind");
	if (!kind_fits(command))
		return FAULT(at, "kind", "a kind that is the request's: this one takes %s",
			     wants[command->kind]);
	return 0;
}

/* How long a request of a service is: at least and at most; the same bytes come back. */
static void service_length(uint8_t service, size_t *ret_min, size_t *ret_max)
{
	switch (service) {
	case 0x03:
	case 0x07:
	case 0x0a:
		*ret_min = *ret_max = 1;
		return;
	case 0x01:
	case 0x06:
	case 0x09:
		*ret_min = *ret_max = 2;
		return;
	case 0x02:
		*ret_min = *ret_max = 3;
		return;
	case 0x22:
		*ret_min = 3;
		break;
	default:
		*ret_min = 2;
		break;
	}
	*ret_max = PROFILE_REQUEST_MAX;
}

static int check_request(const struct subject *at, const struct profile_command *command)
{
	/* Extended addressing takes a byte of the frame. */
	const size_t frame = PROFILE_REQUEST_MAX - (command->ecu.extension ? 1U : 0U);
	const size_t len = command->request_len;
	size_t least, most;

	if (len < 1 || len > frame)
		return FAULT(at, "request", "1..%zu bytes, what one frame carries", frame);
	if (!profile_build_allowed(at->build, command->request, len))
		return FAULT(at, "request",
			     "a request that only reads: service %02X may change the vehicle; only "
			     "01 02 03 06 07 09 0A 19 1A 21 22 are sent",
			     command->request[0]);
	if (command->request[0] == 0x3e)
		return FAULT(at, "request", "a request that is answered, not tester present");
	service_length(command->request[0], &least, &most);
	if (len < least || len > most)
		return FAULT(at, "request",
			     "%zu..%zu bytes for service %02X (one parameter a command; the agent "
			     "asks for several at once where a vehicle takes that)",
			     least, most, command->request[0]);
	return 0;
}

static int check_rhythm(const struct subject *at, const struct profile_command *command)
{
	if ((unsigned)command->when >= PROFILE_WHEN_COUNT)
		return FAULT(at, "when", "a known condition");
	if (command->when == PROFILE_WHEN_ONCE && command->period_us == 0)
		return 0;
	if (command->period_us < PERIOD_MIN_US || command->period_us > PERIOD_MAX_US)
		return FAULT(at, "period", "100ms..7d between two requests");
	if (command->year_from && command->year_to && command->year_from > command->year_to)
		return FAULT(at, "years", "a first year that is not past the last");
	return 0;
}

int profile_check_command(struct profile_build *build, const struct profile_command *command)
{
	const struct subject at = {build, "command", command->id, command->line};
	int r;

	if (!ids_valid(command->id, strlen(command->id)))
		return FAULT(&at, "", "an id of 1..%d letters, digits, '.', '_', '-'",
			     PROFILE_ID_SIZE - 1);
	r = check_request(&at, command);
	if (r < 0)
		return r;
	r = check_ecu(&at, &command->ecu);
	if (r < 0)
		return r;
	r = check_kind(&at, command);
	return r < 0 ? r : check_rhythm(&at, command);
}

/* ---- signals ---- */

static int check_place(const struct subject *at, const struct profile_command *command,
		       const struct profile_signal *signal)
{
	const struct model_signal *format = &signal->format;
	const uint64_t end = (uint64_t)format->start + format->bits;
	const uint64_t room = (PROFILE_ANSWER_MAX - (uint64_t)command->echo_len) * 8;

	if (format->bits < 1 || format->bits > (signal->text ? TEXT_BITS_MAX : 64))
		return FAULT(at, "bits", "1..%d bits", signal->text ? TEXT_BITS_MAX : 64);
	if (signal->text && (format->start % 8 || format->bits % 8))
		return FAULT(at, "bits", "whole bytes for a text");
	if (format->order == MODEL_SIGNAL_REVERSED && format->bits % 8)
		return FAULT(at, "bits", "whole bytes where their order is reversed");
	if (end > room)
		return FAULT(at, "bits", "an end within the longest answer, %d bytes",
			     PROFILE_ANSWER_MAX);
	if (signal->len_min > signal->len_max)
		return FAULT(at, "length", "a range that begins with its smaller end");
	if (signal->len_max && end > (uint64_t)signal->len_max * 8)
		return FAULT(at, "length", "answers that reach as far as the signal, bit %llu",
			     (unsigned long long)end);
	return 0;
}

static int check_scale(const struct subject *at, const struct profile_signal *signal)
{
	const struct model_signal *format = &signal->format;

	if (!isfinite(format->mul) || fpclassify(format->mul) == FP_ZERO)
		return FAULT(at, "mul", "a number that is not 0");
	if (!isfinite(format->div) || fpclassify(format->div) == FP_ZERO)
		return FAULT(at, "div", "a number that is not 0");
	if (!isfinite(format->add))
		return FAULT(at, "add", "a number");
	if (isnan(signal->min) || isnan(signal->max))
		return FAULT(at, "min", "a number");
	return 0;
}

static const struct profile_word *word_at(const struct profile *profile,
					  const struct profile_signal *signal, size_t i)
{
	return &profile->words[signal->word_first + i];
}

static int check_words(const struct subject *at, const struct profile *profile,
		       const struct profile_signal *signal, const struct model_field_info *info)
{
	for (size_t i = 0; i < signal->word_count; i++) {
		const char *name = word_at(profile, signal, i)->name;
		const bool known = info->type == MODEL_TYPE_BOOL
					   ? strcmp(name, "yes") == 0 || strcmp(name, "no") == 0
					   : model_word_find((enum model_words)info->aux, name,
							     strlen(name)) >= 0;

		if (!known && info->type == MODEL_TYPE_BOOL)
			return FAULT(at, "words", "yes or no for this field, not \"%s\"", name);
		if (!known)
			return FAULT(at, "words", "words that the field has, not \"%s\"", name);
	}
	return 0;
}

static int check_field(const struct subject *at, const struct profile *profile,
		       const struct profile_signal *signal)
{
	const struct model_field_info *info = model_field_info((enum model_field)signal->field);

	if (!info)
		return FAULT(at, "field", "a canonical field (docs/canonical-model.md)");
	if (signal->text != (info->type == MODEL_TYPE_TEXT))
		return FAULT(at, "field",
			     signal->text ? "a field of type text"
					  : "no text without `text = yes`");
	switch (info->type) {
	case MODEL_TYPE_TEXT:
		return 0;
	case MODEL_TYPE_NUMBER:
	case MODEL_TYPE_INTEGER:
		if (signal->word_count > 0)
			return FAULT(at, "words", "no words for a number");
		return 0;
	case MODEL_TYPE_ENUM:
		if (signal->word_count == 0)
			return FAULT(at, "words", "a word for each raw value: the field has words");
		return check_words(at, profile, signal, info);
	case MODEL_TYPE_BOOL:
		return check_words(at, profile, signal, info);
	case MODEL_TYPE_TIME:
	case MODEL_TYPE_LIST:
		break;
	}
	return FAULT(at, "field", "a field that is a number, a word, yes or no, or a text");
}

int profile_check_signal(struct profile_build *build, const struct profile *profile,
			 const struct profile_command *command, const struct profile_signal *signal)
{
	const struct subject at = {build, "signal", signal->id, signal->line};
	int r;

	if (command->kind != PROFILE_KIND_SIGNALS)
		return FAULT(&at, "command", "a command of kind signals, not \"%s\"", command->id);
	r = check_place(&at, command, signal);
	if (r < 0)
		return r;
	r = check_scale(&at, signal);
	if (r < 0)
		return r;
	return signal->field < 0 ? 0 : check_field(&at, profile, signal);
}
