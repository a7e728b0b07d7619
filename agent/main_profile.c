/* freshet-agent profile: what a vehicle profile says, and what it makes of an answer. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/main_priv.h"
#include "agent/protocol/obd2.h"
#include "provider/obd/condition.h"
#include "provider/obd/profile.h"

#define ANSWER_MAX 4095
#define JSON_MAX (4U << 20)
#define REFUSED 0x7f

#define NAME(ident, name) name,
static const char *const whens[] = {PROFILE_WHENS(NAME)};
static const char *const kinds[] = {PROFILE_KINDS(NAME)};
static const char *const trusts[] = {PROFILE_TRUSTS(NAME)};
static const char *const outcomes[] = {
	[PROFILE_VALUE] = "value",
	[PROFILE_NULL] = "not known",
	[PROFILE_IMPLAUSIBLE] = "implausible",
	[PROFILE_SHORT] = "answer too short",
	[PROFILE_NOT_APPLICABLE] = "other layout",
};

/* "battery.pack_voltage_v"; "" for none. */
static const char *field_name(int field, char out[static 96])
{
	const struct model_field_info *info =
		field < 0 ? NULL : model_field_info((enum model_field)field);

	if (info)
		(void)snprintf(out, 96, "%s.%s", model_module_name(info->module), info->path);
	else
		out[0] = '\0';
	return out;
}

/* "22 01 01" */
static const char *request_text(const struct profile_command *command, char out[static 24])
{
	size_t n = 0;

	for (size_t i = 0; i < command->request_len; i++)
		n += (size_t)snprintf(out + n, 24 - n, i ? " %02X" : "%02X", command->request[i]);
	return out;
}

/* "7E4 7EC", "all" */
static const char *ecu_text(const struct profile_ecu *ecu, char out[static 32])
{
	const int digits = ecu->id_bits == 29 ? 8 : 3;

	if (ecu->functional && !ecu->rx)
		(void)snprintf(out, 32, "all");
	else if (!ecu->rx)
		(void)snprintf(out, 32, "%0*" PRIX32, digits, ecu->tx);
	else
		(void)snprintf(out, 32, "%0*" PRIX32 " %0*" PRIX32, digits, ecu->tx, digits,
			       ecu->rx);
	return out;
}

/* ---- what it says ---- */

static void print_rhythm(const struct profile_command *command)
{
	if (command->period_us > 0)
		(void)printf("every %g s, ", (double)command->period_us / 1e6);
	(void)printf("%s", whens[command->when]);
	if (command->kind != PROFILE_KIND_SIGNALS)
		(void)printf(", %s", kinds[command->kind]);
	if (command->ecu.flow_control)
		(void)printf(", flow control by hand");
	(void)putchar('\n');
}

static void print_command(const struct profile *profile, const struct profile_command *command)
{
	char request[24], ecu[32], field[96];

	(void)printf("\n%-24s %-20s %-17s ", command->id, request_text(command, request),
		     ecu_text(&command->ecu, ecu));
	print_rhythm(command);
	for (size_t i = 0; i < command->signal_count; i++) {
		const struct profile_signal *signal =
			profile_signal(profile, command->signal_first + i);

		(void)printf("  %-30s bits %4" PRIu32 " %3u  %-9s %s\n", signal->id,
			     signal->format.start, signal->format.bits, trusts[signal->trust],
			     field_name(signal->field, field));
	}
}

static void print_profile(const struct profile *profile)
{
	(void)printf("%s: %s\n%s, %zu commands, %zu signals\n", profile_name(profile),
		     profile_title(profile), profile_path(profile), profile_command_count(profile),
		     profile_signal_count(profile));
	for (size_t i = 0; i < profile_command_count(profile); i++)
		print_command(profile, profile_command(profile, i));
}

static void write_command(struct jw *w, const struct profile *profile,
			  const struct profile_command *command)
{
	char request[24], ecu[32], field[96];

	jw_open_object(w);
	jw_text(w, "id", command->id);
	jw_text(w, "request", request_text(command, request));
	jw_text(w, "ecu", ecu_text(&command->ecu, ecu));
	jw_flag(w, "flow_control", command->ecu.flow_control);
	jw_num(w, "period_s", (double)command->period_us / 1e6);
	jw_text(w, "when", whens[command->when]);
	jw_text(w, "kind", kinds[command->kind]);
	jw_key(w, "signals");
	jw_open_array(w);
	for (size_t i = 0; i < command->signal_count; i++) {
		const struct profile_signal *signal =
			profile_signal(profile, command->signal_first + i);

		jw_open_object(w);
		jw_text(w, "id", signal->id);
		jw_int(w, "start", signal->format.start);
		jw_int(w, "bits", signal->format.bits);
		jw_text(w, "trust", trusts[signal->trust]);
		jw_text(w, "field", signal->field < 0 ? NULL : field_name(signal->field, field));
		jw_close_object(w);
	}
	jw_close_array(w);
	jw_close_object(w);
}

static void write_profile(struct jw *w, const struct profile *profile)
{
	jw_open_object(w);
	jw_text(w, "name", profile_name(profile));
	jw_text(w, "title", profile_title(profile));
	jw_text(w, "file", profile_path(profile));
	jw_key(w, "commands");
	jw_open_array(w);
	for (size_t i = 0; i < profile_command_count(profile); i++)
		write_command(w, profile, profile_command(profile, i));
	jw_close_array(w);
	jw_close_object(w);
}

/* ---- what it makes of an answer ---- */

struct answer {
	uint8_t data[ANSWER_MAX];
	size_t len;
};

/* Bytes in hex, blanks anywhere. */
static bool read_answer(const char *text, struct answer *answer)
{
	answer->len = 0;
	for (; *text; text++) {
		char pair[3] = {text[0], text[1], '\0'};

		if (isspace((unsigned char)*text))
			continue;
		if (!isxdigit((unsigned char)pair[0]) || !isxdigit((unsigned char)pair[1]) ||
		    answer->len == sizeof(answer->data))
			return false;
		answer->data[answer->len++] = (uint8_t)strtoul(pair, NULL, 16);
		text++;
	}
	return answer->len > 0;
}

/* Does it begin with what an answer to the command repeats? */
static bool echoes(const struct profile_command *command, const struct answer *answer)
{
	return answer->len >= command->echo_len &&
	       answer->data[0] == (uint8_t)(command->request[0] + 0x40) &&
	       memcmp(answer->data + 1, command->request + 1, command->echo_len - 1U) == 0;
}

/* A decoded signal as text: "670", "d", "not known". */
static enum profile_outcome decode(const struct profile *profile,
				   const struct profile_command *command,
				   const struct profile_signal *signal, const struct answer *answer,
				   struct profile_value *value, char text[static 48])
{
	const size_t at = command->echo_len + signal->format.start / 8;
	const size_t len = signal->format.bits / 8U;
	enum profile_outcome outcome;

	if (signal->text && at + len <= answer->len) {
		(void)snprintf(text, 48, "%.*s", (int)len, (const char *)answer->data + at);
		for (char *c = text; *c; c++)
			*c = (char)(isprint((unsigned char)*c) ? *c : '.');
		return PROFILE_VALUE;
	}
	outcome = profile_decode(profile, signal, answer->data, answer->len, value);
	if (signal->text)
		outcome = PROFILE_SHORT;
	if (outcome == PROFILE_VALUE && value->word)
		(void)snprintf(text, 48, "%s", value->word);
	else if (outcome == PROFILE_VALUE)
		(void)snprintf(text, 48, "%.10g", value->number);
	else
		(void)snprintf(text, 48, "%s", outcomes[outcome]);
	return outcome;
}

static void print_value(const struct profile *profile, const struct profile_command *command,
			const struct profile_signal *signal, const struct answer *answer)
{
	struct profile_value value = {0};
	char text[48], field[96];
	const enum profile_outcome outcome = decode(profile, command, signal, answer, &value, text);

	(void)printf("%-30s %-18s %s", signal->id, text, field_name(signal->field, field));
	if (outcome == PROFILE_VALUE && field[0] && !signal->text && !value.word)
		(void)printf(" = %.10g", value.number * signal->to_mul + signal->to_add);
	(void)putchar('\n');
}

static void write_value(struct jw *w, const struct profile *profile,
			const struct profile_command *command, const struct profile_signal *signal,
			const struct answer *answer)
{
	struct profile_value value = {0};
	char text[48], field[96];
	const enum profile_outcome outcome = decode(profile, command, signal, answer, &value, text);
	const bool number = outcome == PROFILE_VALUE && !signal->text && !value.word;

	jw_open_object(w);
	jw_text(w, "id", signal->id);
	jw_text(w, "outcome", outcomes[outcome]);
	jw_key(w, "value");
	if (number)
		jw_put_number(w, value.number);
	else
		jw_put_text(w, outcome == PROFILE_VALUE ? text : NULL);
	jw_text(w, "field", signal->field < 0 ? NULL : field_name(signal->field, field));
	if (number && signal->field >= 0)
		jw_num(w, "canonical", value.number * signal->to_mul + signal->to_add);
	jw_close_object(w);
}

static const struct profile_command *find_command(const struct profile *profile, const char *id)
{
	for (size_t i = 0; i < profile_command_count(profile); i++) {
		if (strcmp(profile_command(profile, i)->id, id) == 0)
			return profile_command(profile, i);
	}
	return NULL;
}

/* Says what is wrong with the words of the command line. */
static int find_answer(const struct profile *profile, const struct options *options,
		       const struct profile_command **ret_command, struct answer *answer)
{
	const struct profile_command *command = find_command(profile, options->words[1]);

	if (!command)
		return main_usage_error("no such command in the profile", options->words[1]);
	if (options->word_count < 3 || !read_answer(options->words[2], answer))
		return main_usage_error("an answer in hex is wanted, as 620101...", NULL);
	if (answer->data[0] == REFUSED)
		return main_usage_error("a refusal, not an answer", options->words[2]);
	if (!echoes(command, answer))
		return main_usage_error("not an answer to this command: it does not begin with "
					"the service + 40 and what was asked for",
					options->words[2]);
	*ret_command = command;
	return EXIT_DONE;
}

/* condition_value_fn: what the answer says. */
struct said {
	const struct profile *profile;
	const struct answer *answer;
};

static bool value_of(void *arg, size_t signal, double *ret_value)
{
	const struct said *said = arg;
	struct profile_value value = {0};

	if (profile_decode(said->profile, profile_signal(said->profile, signal), said->answer->data,
			   said->answer->len, &value) != PROFILE_VALUE)
		return false;
	*ret_value = value.number;
	return true;
}

/* Would the agent take it? The command's valid_if must hold. */
static bool is_valid(const struct profile *profile, const struct profile_command *command,
		     const struct answer *answer)
{
	struct said said = {profile, answer};

	return command->unless_valid < 0 ||
	       condition_eval(profile_condition(profile, command->unless_valid), value_of, &said) ==
		       TRUTH_TRUE;
}

static void print_values(const struct profile *profile, const struct profile_command *command,
			 const struct answer *answer)
{
	for (size_t i = 0; i < command->signal_count; i++)
		print_value(profile, command, profile_signal(profile, command->signal_first + i),
			    answer);
	if (!is_valid(profile, command, answer))
		(void)puts("the agent drops this answer: valid_if does not hold");
}

static void write_values(struct jw *w, const struct profile *profile,
			 const struct profile_command *command, const struct answer *answer)
{
	jw_open_object(w);
	jw_text(w, "command", command->id);
	jw_flag(w, "valid", is_valid(profile, command, answer));
	jw_key(w, "signals");
	jw_open_array(w);
	for (size_t i = 0; i < command->signal_count; i++)
		write_value(w, profile, command, profile_signal(profile, command->signal_first + i),
			    answer);
	jw_close_array(w);
	jw_close_object(w);
}

/* ---- the command ---- */

static int print_json(struct buf *out)
{
	const char *text = buf_text(out);

	if (!text)
		return main_fail("profile", out->error);
	(void)puts(text);
	return EXIT_DONE;
}

static int show(const struct profile *profile, const struct options *options)
{
	const struct profile_command *command = NULL;
	struct answer answer;
	struct buf out;
	struct jw w;
	int r = EXIT_DONE;

	if (options->word_count > 1)
		r = find_answer(profile, options, &command, &answer);
	if (r != EXIT_DONE)
		return r;
	if (options->json) {
		buf_init(&out, JSON_MAX);
		jw_init(&w, &out);
		if (command)
			write_values(&w, profile, command, &answer);
		else
			write_profile(&w, profile);
		r = print_json(&out);
		buf_free(&out);
		return r;
	}
	if (command)
		print_values(profile, command, &answer);
	else
		print_profile(profile);
	return EXIT_DONE;
}

int main_profile(const struct options *options)
{
	const char *name = options->word_count ? options->words[0] : NULL;
	struct profile *profile = NULL;
	char path[PATH_MAX];
	int r;

	if (!name)
		return main_usage_error("which profile? A name or a path is wanted", NULL);
	/* On a command line a file of this folder needs no "./". */
	r = profile_find(profile_dir(), name, path, sizeof(path));
	if (r == 0 && access(path, F_OK) != 0 && access(name, F_OK) == 0)
		(void)snprintf(path, sizeof(path), "%s", name);
	if (r < 0)
		return main_usage_error("neither a name nor a path", name);
	if (profile_load(path, obd2_request_allowed, stderr, &profile) < 0)
		return EXIT_USAGE;
	r = show(profile, options);
	profile_free(profile);
	return r;
}
