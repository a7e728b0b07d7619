/* What can be judged when all is known: conditions find their signals, signals their places. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "provider/obd/profile_build_priv.h"

#define NO_STATE PROFILE_STATE_COUNT

/* ---- conditions ---- */

/* The condition of that command or state, NULL where there is none yet. */
static struct profile_pending *find_pending(const struct profile_build *build, int command,
					    enum profile_state state)
{
	for (size_t i = 0; i < build->pending_count; i++) {
		if (build->pendings[i].command == command && build->pendings[i].state == state)
			return &build->pendings[i];
	}
	return NULL;
}

/* Our file's word stands for what a signal set suggests. */
static int put_pending(struct profile_build *build, const struct profile_pending *pending,
		       const char *text)
{
	struct profile_pending *place = find_pending(build, pending->command, pending->state);
	char *copy = strdup(text);
	struct profile_pending *pendings;

	if (!copy)
		return -ENOMEM;
	if (!place) {
		pendings = profile_with_room(build->pendings, &build->pending_room,
					     build->pending_count, sizeof(*pendings));
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
	const struct profile_pending pending = {
		.command = command, .state = NO_STATE, .line = line};

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
	const struct profile_pending pending = {.command = -1, .state = state, .line = line};

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

static int say_condition(struct profile_build *build, const struct profile_pending *pending,
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

static int parse_condition(struct profile_build *build, const struct profile_pending *pending)
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

/* ---- the end ---- */

/* The signals of a command stand together, in the order in which they were added. */
static int sort_signals(struct profile_build *build)
{
	struct profile *profile = build->profile;
	struct profile_signal *signals = NULL;
	uint16_t *owners = NULL;
	struct profile_origin *origins = NULL;
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
	profile_build_abandon(build);
	return r;
}
