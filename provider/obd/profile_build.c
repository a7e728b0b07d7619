#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/ids.h"
#include "provider/obd/profile_priv.h"

#define FILES_MAX 2
#define WORDS_MAX 16384
#define VIN_PREFIX_MIN 3
#define NO_STATE PROFILE_STATE_COUNT

/* A condition as text: signals get their places when all are known. */
struct pending {
	char *text;
	int command; /* whose answer it judges; -1: it is a state's */
	enum profile_state state;
	uint8_t file;
	int line;
};

/* What is known of a signal while it is built. */
struct origin {
	const char *unit; /* lasting */
	uint8_t file;
};

struct profile_build {
	struct profile *profile;
	profile_allowed_fn *allowed;
	FILE *errors;
	unsigned mistakes, remarks;
	char *files[FILES_MAX];
	uint8_t file;      /* whose contents are being added */
	uint8_t said_file; /* whose a mistake is */
	profile_locate_fn *locate;
	void (*forget)(void *arg);
	void *locate_arg;
	uint8_t locate_file;
	size_t command_room, signal_room, word_room;
	struct origin *origins; /* per signal */
	int worded;             /* the signal that has the last words, -1 */
	struct pending *pendings;
	size_t pending_count, pending_room;
	char detect[PROFILE_ID_SIZE];
	int detect_line;
	uint8_t detect_file;
};

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

static void free_build(struct profile_build *build)
{
	if (!build)
		return;
	for (size_t i = 0; i < build->pending_count; i++)
		free(build->pendings[i].text);
	free(build->pendings);
	for (size_t i = 0; i < FILES_MAX; i++)
		free(build->files[i]);
	free(build->origins);
	profile_free(build->profile);
	if (build->forget)
		build->forget(build->locate_arg);
	free(build);
}

void profile_build_abandon(struct profile_build *build)
{
	free_build(build);
}

int profile_build_file(struct profile_build *build, const char *path)
{
	uint8_t i = 0;

	while (i < FILES_MAX && build->files[i] && strcmp(build->files[i], path) != 0)
		i++;
	if (i == FILES_MAX)
		return profile_build_error(build, 0, "", "", "at most %d files a profile",
					   FILES_MAX);
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
	free_build(build);
	return -ENOMEM;
}

/* A list with room for one more element of `size` bytes; NULL where there is no memory, and the list
 * is as it was. *room follows. */
static void *with_room(void *list, size_t *room, size_t count, size_t size)
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
	commands = with_room(profile->commands, &build->command_room, profile->command_count,
			     sizeof(*commands));
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

/* ---- conditions ---- */

/* The condition of that command or state, NULL where there is none yet. */
static struct pending *find_pending(const struct profile_build *build, int command,
				    enum profile_state state)
{
	for (size_t i = 0; i < build->pending_count; i++) {
		if (build->pendings[i].command == command && build->pendings[i].state == state)
			return &build->pendings[i];
	}
	return NULL;
}

/* Our file's word stands for what a signal set suggests. */
static int put_pending(struct profile_build *build, const struct pending *pending, const char *text)
{
	struct pending *place = find_pending(build, pending->command, pending->state);
	char *copy = strdup(text);
	struct pending *pendings;

	if (!copy)
		return -ENOMEM;
	if (!place) {
		pendings = with_room(build->pendings, &build->pending_room, build->pending_count,
				     sizeof(*pendings));
		if (!pendings) {
			free(copy);
			return -ENOMEM;
		}
		build->pendings = pendings;
		place = &pendings[build->pending_count++];
		place->text = NULL;
	}
	free(place->text);
	*place = *pending;
	place->text = copy;
	place->file = build->file;
	return 0;
}

int profile_build_valid_if(struct profile_build *build, int command, const char *text, int line)
{
	const struct pending pending = {.command = command, .state = NO_STATE, .line = line};

	return put_pending(build, &pending, text);
}

static const char *state_name(enum profile_state state)
{
	static const char *const names[] = {
#define X(ident, name) name,
		PROFILE_STATES(X)
#undef X
	};

	return names[state];
}

int profile_build_state(struct profile_build *build, enum profile_state state, const char *text,
			int line)
{
	const struct pending pending = {.command = -1, .state = state, .line = line};

	return put_pending(build, &pending, text);
}

/* Where a condition looks for its signals. */
struct scope {
	const struct profile *profile;
	int command; /* -1: in all */
	bool missed; /* a signal was not there */
};

static int find_in_scope(void *arg, const char *id)
{
	struct scope *scope = arg;
	const int signal = profile_signal_find(scope->profile, id);

	scope->missed = signal < 0 || scope->profile->signals[signal].text ||
			(scope->command >= 0 && scope->profile->owners[signal] != scope->command);
	return scope->missed ? -1 : signal;
}

static int say_condition(struct profile_build *build, const struct pending *pending,
			 const char *expected, bool missed)
{
	build->said_file = pending->file;
	if (pending->command < 0)
		return profile_build_error(build, pending->line, "state",
					   state_name(pending->state), "%s", expected);
	return profile_build_fault(build, "command", build->profile->commands[pending->command].id,
				   pending->line, "valid_if", "%s%s", expected,
				   missed ? " (of this command)" : "");
}

static int parse_condition(struct profile_build *build, const struct pending *pending)
{
	struct profile *profile = build->profile;
	struct scope scope = {.profile = profile, .command = pending->command};
	struct profile_condition *condition = NULL;
	char expected[160];
	const int index = (int)profile->condition_count;
	const int r = condition_parse(pending->text, find_in_scope, &scope, expected,
				      sizeof(expected), &condition);

	if (r == -EINVAL)
		return say_condition(build, pending, expected, scope.missed);
	if (r < 0)
		return r;
	profile->conditions[profile->condition_count++] = condition;
	if (pending->command < 0)
		profile->states[pending->state] = index;
	else
		profile->commands[pending->command].unless_valid = index;
	return 0;
}

static int parse_conditions(struct profile_build *build)
{
	int r = 0;

	if (build->pending_count == 0)
		return 0;
	build->profile->conditions = (struct profile_condition **)calloc(
		build->pending_count, sizeof(struct profile_condition *));
	if (!build->profile->conditions)
		return -ENOMEM;
	for (size_t i = 0; i < build->pending_count && r != -ENOMEM; i++)
		r = parse_condition(build, &build->pendings[i]);
	return r == -ENOMEM ? r : 0;
}

/* ---- signals ---- */

void profile_signal_init(struct profile_signal *signal)
{
	*signal = (struct profile_signal){
		.format = {.mul = 1, .div = 1},
		.field = -1,
		.to_mul = 1,
		.min = 1,
		.max = 0,
		.trust = PROFILE_TRUST_CLAIMED,
	};
}

int profile_build_signal_find(const struct profile_build *build, const char *id)
{
	return profile_signal_find(build->profile, id);
}

struct profile_signal *profile_build_signal_at(struct profile_build *build, int signal)
{
	return &build->profile->signals[signal];
}

/* Lists that grow together share one room, which the last of them sets. */
static int signal_room(struct profile_build *build)
{
	struct profile *profile = build->profile;
	const size_t count = profile->signal_count;
	size_t room = build->signal_room;
	struct profile_signal *signals;
	uint16_t *owners = with_room(profile->owners, &room, count, sizeof(*owners));
	struct origin *origins;

	if (!owners)
		return -ENOMEM;
	profile->owners = owners;
	room = build->signal_room;
	origins = with_room(build->origins, &room, count, sizeof(*origins));
	if (!origins)
		return -ENOMEM;
	build->origins = origins;
	signals = with_room(profile->signals, &build->signal_room, count, sizeof(*signals));
	if (!signals)
		return -ENOMEM;
	profile->signals = signals;
	return 0;
}

int profile_build_signal(struct profile_build *build, int command,
			 const struct profile_signal *signal)
{
	struct profile *profile = build->profile;
	const int twin = profile_build_signal_find(build, signal->id);
	int r;

	if (!ids_valid(signal->id, strlen(signal->id)))
		return profile_build_fault(build, "signal", signal->id, signal->line, "",
					   "an id of 1..%d letters, digits, '.', '_', '-'",
					   PROFILE_ID_SIZE - 1);
	if (twin >= 0)
		return profile_build_fault(build, "signal", signal->id, signal->line, "",
					   "every signal once; this one stands in line %d already",
					   profile->signals[twin].line);
	if (profile->signal_count == PROFILE_SIGNALS_MAX)
		return profile_build_fault(build, "signal", signal->id, signal->line, "",
					   "at most %d signals", PROFILE_SIGNALS_MAX);
	r = signal_room(build);
	if (r < 0)
		return r;
	profile->owners[profile->signal_count] = (uint16_t)command;
	build->origins[profile->signal_count] = (struct origin){.unit = "", .file = build->file};
	profile->signals[profile->signal_count] = *signal;
	return (int)profile->signal_count++;
}

int profile_build_word(struct profile_build *build, int signal, int64_t raw, const char *name,
		       int line)
{
	struct profile *profile = build->profile;
	struct profile_signal *owner = &profile->signals[signal];
	struct profile_word word = {.raw = raw};
	struct profile_word *words;

	if (!*name || strlen(name) >= sizeof(word.name))
		return profile_build_fault(build, "signal", owner->id, line, "words",
					   "names of 1..%zu bytes", sizeof(word.name) - 1);
	if (profile->word_count == WORDS_MAX)
		return profile_build_fault(build, "signal", owner->id, line, "words",
					   "at most %d words", WORDS_MAX);
	memcpy(word.name, name, strlen(name) + 1);
	words = with_room(profile->words, &build->word_room, profile->word_count, sizeof(*words));
	if (!words)
		return -ENOMEM;
	profile->words = words;
	if (build->worded != signal) {
		owner->word_first = profile->word_count;
		owner->word_count = 0;
		build->worded = signal;
	}
	for (size_t i = owner->word_first; i < profile->word_count; i++) {
		if (profile->words[i].raw == raw)
			return profile_build_fault(build, "signal", owner->id, line, "words",
						   "every raw value once, not %lld twice",
						   (long long)raw);
	}
	profile->words[profile->word_count++] = word;
	owner->word_count++;
	return 0;
}

int profile_build_null(struct profile_build *build, int signal, const struct profile_null *null,
		       int line)
{
	struct profile_signal *owner = &build->profile->signals[signal];

	if (!(null->first <= null->last))
		return profile_build_fault(build, "signal", owner->id, line, "null",
					   "a range that begins with its smaller end");
	if (owner->null_count == PROFILE_NULLS_MAX)
		return profile_build_fault(build, "signal", owner->id, line, "null",
					   "at most %d values or ranges", PROFILE_NULLS_MAX);
	owner->nulls[owner->null_count++] = *null;
	return 0;
}

int profile_build_null_ones(struct profile_build *build, int signal, int line)
{
	const struct model_signal *format = &build->profile->signals[signal].format;
	struct profile_null null = {.first = -1, .last = -1, .raw = true};

	/* Past 53 bits a double names its neighbours too: none of them is a measured value. */
	if (!format->is_signed && format->bits >= 1 && format->bits <= 64) {
		null.first = (double)(UINT64_MAX >> (64U - format->bits));
		null.last = null.first;
	}
	return profile_build_null(build, signal, &null, line);
}

int profile_build_unit(struct profile_build *build, int signal, const char *unit, int line)
{
	const char *known = profile_unit_find(unit);

	if (!known)
		return profile_build_fault(build, "signal", build->profile->signals[signal].id,
					   line, "unit",
					   "a known unit (docs/profiles.md), not \"%.32s\"", unit);
	build->origins[signal].unit = known;
	return 0;
}

int profile_build_field(struct profile_build *build, int signal, int field, int line)
{
	struct profile_signal *owner = &build->profile->signals[signal];
	const char *unit = build->origins[signal].unit;
	double mul = 1;
	double add = 0;

	if (field >= 0 && !profile_unit_convert(unit, field, &mul, &add))
		return profile_build_fault(build, "signal", owner->id, line, "unit",
					   "a unit that becomes the field's, \"%s\", not \"%s\"",
					   profile_unit_of(field), unit);
	owner->field = field;
	owner->to_mul = mul;
	owner->to_add = add;
	return 0;
}

/* ---- the end ---- */

/* The signals of a command stand together, in the order in which they were added. */
static int sort_signals(struct profile_build *build)
{
	struct profile *profile = build->profile;
	struct profile_signal *signals = NULL;
	uint16_t *owners = NULL;
	struct origin *origins = NULL;
	size_t n = 0;
	int r = -ENOMEM;

	if (profile->signal_count == 0)
		return 0;
	signals = calloc(profile->signal_count, sizeof(*signals));
	owners = calloc(profile->signal_count, sizeof(*owners));
	origins = calloc(profile->signal_count, sizeof(*origins));
	if (!signals || !owners || !origins)
		goto out;
	for (size_t i = 0; i < profile->signal_count; i++)
		profile->commands[profile->owners[i]].signal_count++;
	for (size_t i = 0; i < profile->command_count; i++) {
		profile->commands[i].signal_first = n;
		n += profile->commands[i].signal_count;
		profile->commands[i].signal_count = 0;
	}
	for (size_t i = 0; i < profile->signal_count; i++) {
		struct profile_command *owner = &profile->commands[profile->owners[i]];
		const size_t at = owner->signal_first + owner->signal_count++;

		signals[at] = profile->signals[i];
		owners[at] = profile->owners[i];
		origins[at] = build->origins[i];
	}
	free(profile->signals);
	free(profile->owners);
	free(build->origins);
	profile->signals = signals;
	profile->owners = owners;
	build->origins = origins;
	return 0;
out:
	free(signals);
	free(owners);
	free(origins);
	return r;
}

static void check_signals(struct profile_build *build)
{
	const struct profile *profile = build->profile;

	for (size_t i = 0; i < profile->signal_count; i++) {
		build->said_file = build->origins[i].file;
		(void)profile_check_signal(build, profile, &profile->commands[profile->owners[i]],
					   &profile->signals[i]);
	}
}

static void resolve_detect(struct profile_build *build)
{
	if (!build->detect[0])
		return;
	build->profile->detect = profile_build_command_find(build, build->detect);
	build->said_file = build->detect_file;
	if (build->profile->detect < 0)
		(void)profile_build_error(build, build->detect_line, "profile", "detect",
					  "the name of a command of this profile, not \"%s\"",
					  build->detect);
}

/* "/a/b/Kia-EV6.json" is called "Kia-EV6". */
static void name_by_file(struct profile *profile)
{
	const char *slash = strrchr(profile->path, '/');
	const char *base = slash ? slash + 1 : profile->path;
	size_t n = 0;

	for (; n < PROFILE_NAME_SIZE - 1 && base[n] && base[n] != '.'; n++)
		profile->name[n] = isalnum((unsigned char)base[n]) ? base[n] : '-';
	if (n == 0)
		profile->name[n++] = 'x';
	profile->name[n] = '\0';
}

static int complete(struct profile_build *build)
{
	struct profile *profile = build->profile;
	int r;

	if (!profile->name[0])
		name_by_file(profile);
	if (!profile->title[0])
		memcpy(profile->title, profile->name, sizeof(profile->name));
	build->said_file = 0;
	if (profile->command_count == 0 && build->mistakes == 0)
		(void)profile_build_error(build, 0, "", "", "at least one command");
	resolve_detect(build);
	r = sort_signals(build);
	if (r < 0)
		return r;
	check_signals(build);
	r = parse_conditions(build);
	if (r < 0)
		return r;
	return build->mistakes ? -EINVAL : 0;
}

int profile_build_finish(struct profile_build *build, struct profile **ret_profile)
{
	const int r = complete(build);

	if (r == 0) {
		*ret_profile = build->profile;
		build->profile = NULL;
	}
	free_build(build);
	return r;
}
