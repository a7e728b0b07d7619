#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/ids.h"
#include "provider/obd/profile_build_priv.h"

#define VIN_PREFIX_MIN 3

/* ---- mistakes ---- */

__attribute__((format(printf, 5, 0))) static void say(struct profile_build *build, int line,
						      const char *section, const char *key,
						      const char *fmt, va_list args)
{
	FILE *out = build->errors;

	build->mistakes++;
	if (build->mistakes > PROFILE_MISTAKES_MAX)
		return;
	(void)fputs(build->files[build->said_file], out);
	if (line > 0)
		(void)fprintf(out, ":%d", line);
	(void)fputc(':', out);
	if (build->mistakes == PROFILE_MISTAKES_MAX) {
		(void)fprintf(out, " expected fewer mistakes than %d; the rest is not listed\n",
			      PROFILE_MISTAKES_MAX);
		return;
	}
	if (*section)
		(void)fprintf(out, " [%s]", section);
	if (*key)
		(void)fprintf(out, " %s", key);
	(void)fputs(*section || *key ? ": expected " : " expected ", out);
	(void)vfprintf(out, fmt, args);
	(void)fputc('\n', out);
}

int profile_build_error(struct profile_build *build, int line, const char *section, const char *key,
			const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(build, line, section, key, fmt, args);
	va_end(args);
	return -EINVAL;
}

unsigned profile_build_mistakes(const struct profile_build *build)
{
	return build->mistakes;
}

int profile_build_fault(struct profile_build *build, const char *kind, const char *id, int line,
			const char *key, const char *fmt, ...)
{
	char section[PROFILE_ID_SIZE + 16];
	const uint8_t file = build->said_file;
	va_list args;
	int at = 0;

	(void)snprintf(section, sizeof(section), "%s %s", kind, id);
	if (build->locate)
		at = build->locate(build->locate_arg, kind, id, key);
	if (at > 0)
		build->said_file = build->locate_file;
	va_start(args, fmt);
	say(build, at > 0 ? at : line, section, key, fmt, args);
	va_end(args);
	build->said_file = file;
	return -EINVAL;
}

void profile_build_remark(struct profile_build *build, int line, const char *fmt, ...)
{
	va_list args;

	if (++build->remarks > PROFILE_MISTAKES_MAX)
		return;
	(void)fprintf(build->errors, "%s:%d: passed over: ", build->files[build->said_file], line);
	va_start(args, fmt);
	(void)vfprintf(build->errors, fmt, args);
	va_end(args);
	(void)fputc('\n', build->errors);
}

void profile_build_locate(struct profile_build *build, profile_locate_fn *locate,
			  void (*forget)(void *arg), void *arg)
{
	build->locate = locate;
	build->forget = forget;
	build->locate_arg = arg;
	build->locate_file = build->file;
}

bool profile_build_allowed(const struct profile_build *build, const uint8_t *request, size_t len)
{
	return build->allowed && build->allowed(request, len);
}

/* ---- begin and end ---- */

void profile_build_abandon(struct profile_build *build)
{
	if (!build)
		return;
	for (size_t i = 0; i < build->pending_count; i++)
		free(build->pendings[i].text);
	free(build->pendings);
	for (size_t i = 0; i < PROFILE_FILES_MAX; i++)
		free(build->files[i]);
	free(build->origins);
	profile_free(build->profile);
	if (build->forget)
		build->forget(build->locate_arg);
	free(build);
}

int profile_build_file(struct profile_build *build, const char *path)
{
	uint8_t i = 0;

	while (i < PROFILE_FILES_MAX && build->files[i] && strcmp(build->files[i], path) != 0)
		i++;
	if (i == PROFILE_FILES_MAX)
		return profile_build_error(build, 0, "", "", "at most %d files a profile",
					   PROFILE_FILES_MAX);
	if (!build->files[i]) {
		build->files[i] = strdup(path);
		if (!build->files[i])
			return -ENOMEM;
	}
	build->file = i;
	build->worded = -1;
	build->said_file = i;
	return 0;
}

int profile_build_begin(const char *path, profile_allowed_fn *allowed, FILE *errors,
			struct profile_build **ret_build)
{
	struct profile_build *build = calloc(1, sizeof(*build));

	if (!build)
		return -ENOMEM;
	build->profile = calloc(1, sizeof(*build->profile));
	if (!build->profile)
		goto fail;
	build->profile->detect = -1;
	for (size_t i = 0; i < PROFILE_STATE_COUNT; i++)
		build->profile->states[i] = -1;
	build->profile->path = strdup(path);
	if (!build->profile->path)
		goto fail;
	build->allowed = allowed;
	build->errors = errors;
	build->worded = -1;
	if (profile_build_file(build, path) < 0)
		goto fail;
	*ret_build = build;
	return 0;
fail:
	profile_build_abandon(build);
	return -ENOMEM;
}

void *profile_with_room(void *list, size_t *room, size_t count, size_t size)
{
	const size_t want = *room ? 2 * *room : 16;
	void *grown;

	if (count < *room)
		return list;
	grown = realloc(list, want * size);
	if (grown)
		*room = want;
	return grown;
}

/* ---- the head ---- */

int profile_build_name(struct profile_build *build, const char *name, int line)
{
	const size_t len = strlen(name);

	if (!ids_valid(name, len) || len >= PROFILE_NAME_SIZE)
		return profile_build_error(
			build, line, "profile", "name",
			"a name of 1..%d letters, digits, '.', '_', '-', not \"%.40s\"",
			PROFILE_NAME_SIZE - 1, name);
	memcpy(build->profile->name, name, len + 1);
	return 0;
}

int profile_build_title(struct profile_build *build, const char *title, int line)
{
	const size_t len = strlen(title);

	if (len >= PROFILE_TITLE_SIZE)
		return profile_build_error(build, line, "profile", "title",
					   "a title of at most %d bytes", PROFILE_TITLE_SIZE - 1);
	memcpy(build->profile->title, title, len + 1);
	return 0;
}

void profile_build_protocol(struct profile_build *build, uint8_t protocol)
{
	build->profile->protocol = protocol;
}

static bool vin_prefix_valid(const char *prefix)
{
	const size_t len = strlen(prefix);

	if (len < VIN_PREFIX_MIN || len >= PROFILE_VIN_SIZE)
		return false;
	return strspn(prefix, "0123456789ABCDEFGHJKLMNPRSTUVWXYZ?") == len && prefix[0] != '?';
}

int profile_build_vin(struct profile_build *build, const char *prefix, int line)
{
	struct profile *profile = build->profile;

	if (!vin_prefix_valid(prefix))
		return profile_build_error(build, line, "profile", "vin",
					   "beginnings of VINs, %d..%d of A-Z 0-9 without I, O, Q "
					   "('?' is any), not \"%.40s\"",
					   VIN_PREFIX_MIN, PROFILE_VIN_SIZE - 1, prefix);
	if (profile->vin_count == PROFILE_VINS_MAX)
		return profile_build_error(build, line, "profile", "vin",
					   "at most %d beginnings of VINs", PROFILE_VINS_MAX);
	memcpy(profile->vins[profile->vin_count++], prefix, strlen(prefix) + 1);
	return 0;
}

int profile_build_detect(struct profile_build *build, const char *command, int line)
{
	if (strlen(command) >= PROFILE_ID_SIZE)
		return profile_build_error(build, line, "profile", "detect",
					   "the name of a command");
	memcpy(build->detect, command, strlen(command) + 1);
	build->detect_line = line;
	build->detect_file = build->file;
	return 0;
}

/* ---- commands ---- */

int profile_build_command_find(const struct profile_build *build, const char *id)
{
	const struct profile *profile = build->profile;

	for (size_t i = 0; i < profile->command_count; i++) {
		if (strcmp(profile->commands[i].id, id) == 0)
			return (int)i;
	}
	return -1;
}

/* How many bytes of an answer repeat the request: the service, and what it is asked for. The same as
 * the protocol's reader has it. */
static uint8_t echo_of(const struct profile_command *command)
{
	static const uint8_t two[] = {0x01, 0x02, 0x06, 0x09, 0x19, 0x1a, 0x21};
	uint8_t len = 1;

	if (memchr(two, command->request[0], sizeof(two)))
		len = 2;
	else if (command->request[0] == 0x22)
		len = 3;
	return len < command->request_len ? len : command->request_len;
}

/* An adapter's automatic flow control answers 7E8..7EF and 18DAF1xx, at the ordinary place. */
static bool needs_flow_control(const struct profile_ecu *ecu)
{
	if (ecu->extension)
		return true;
	if (!ecu->rx)
		return false;
	if (ecu->id_bits == 29)
		return ecu->rx >> 8 != 0x18daf1;
	return ecu->rx < 0x7e8 || ecu->rx > 0x7ef;
}

static void derive(struct profile_command *command)
{
	struct profile_ecu *ecu = &command->ecu;

	ecu->functional = ecu->id_bits == 29 ? ecu->tx == 0x18db33f1 : ecu->tx == 0x7df;
	ecu->flow_control = ecu->flow_control || needs_flow_control(ecu);
	if (ecu->extension && !ecu->tester)
		ecu->tester = 0xf1;
	command->echo_len = echo_of(command);
	command->signal_first = 0;
	command->signal_count = 0;
	command->unless_valid = -1;
}

int profile_build_command(struct profile_build *build, const struct profile_command *command)
{
	struct profile *profile = build->profile;
	struct profile_command derived = *command;
	struct profile_command *commands;
	const int twin = profile_build_command_find(build, command->id);
	int r;

	derive(&derived);
	if (twin >= 0)
		return profile_build_fault(build, "command", command->id, command->line, "",
					   "every command once; this one stands in line %d already",
					   profile->commands[twin].line);
	if (profile->command_count == PROFILE_COMMANDS_MAX)
		return profile_build_fault(build, "command", command->id, command->line, "",
					   "at most %d commands", PROFILE_COMMANDS_MAX);
	r = profile_check_command(build, &derived);
	if (r < 0)
		return r;
	commands = profile_with_room(profile->commands, &build->command_room,
				     profile->command_count, sizeof(*commands));
	if (!commands)
		return -ENOMEM;
	profile->commands = commands;
	profile->commands[profile->command_count] = derived;
	return (int)profile->command_count++;
}

const struct profile_command *profile_build_command_at(const struct profile_build *build,
						       int command)
{
	return &build->profile->commands[command];
}

int profile_build_rhythm(struct profile_build *build, int command, enum profile_when when,
			 int64_t period_us)
{
	struct profile_command changed = build->profile->commands[command];
	int r;

	changed.when = when;
	changed.period_us = period_us;
	r = profile_check_command(build, &changed);
	if (r < 0)
		return r;
	build->profile->commands[command] = changed;
	return 0;
}

size_t profile_build_signals_of(const struct profile_build *build, int command)
{
	size_t n = 0;

	for (size_t i = 0; i < build->profile->signal_count; i++)
		n += build->profile->owners[i] == command;
	return n;
}
