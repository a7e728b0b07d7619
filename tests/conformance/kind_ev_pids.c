/* Facts of vehicles, beside the profiles that are shipped: a case is a signal. Right: a profile reads
 * the same bits with the same sign and scale; withheld: no profile carries it; wrong: it reads them
 * otherwise. A vehicle's profile is the one that agrees most.
 */
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/protocol/obd2.h"
#include "agent/source/obd_target.h"
#include "tests/conformance/ev_facts.h"

#define PROFILES_MAX 100

struct shelf {
	struct profile *profiles[PROFILES_MAX];
	size_t count;
};

static int is_profile(const struct dirent *entry)
{
	const size_t len = strlen(entry->d_name);

	return len > 5 && strcmp(entry->d_name + len - 5, ".conf") == 0;
}

static int load_one(struct conform_run *run, struct shelf *shelf, const char *name)
{
	char path[4096];

	if (shelf->count == PROFILES_MAX)
		return -E2BIG;
	(void)snprintf(path, sizeof(path), "%s/%s", run->options->profiles, name);
	return profile_load(path, obd2_request_allowed, stderr, &shelf->profiles[shelf->count]);
}

int conform_ev_pids_begin(struct conform_run *run)
{
	struct dirent **list = NULL;
	struct shelf *shelf = calloc(1, sizeof(*shelf));
	int n, err = 0;

	if (!shelf)
		return -ENOMEM;
	run->state = shelf;
	n = scandir(run->options->profiles, &list, is_profile, alphasort);
	if (n < 0) {
		err = -errno;
		(void)fprintf(stderr, "%s: %s\n", run->options->profiles, strerror(-err));
		return err;
	}
	for (int i = 0; i < n; i++) {
		if (!err)
			err = load_one(run, shelf, list[i]->d_name);
		if (!err)
			shelf->count++;
		free(list[i]);
	}
	free((void *)list);
	return err;
}

void conform_ev_pids_end(struct conform_run *run)
{
	struct shelf *shelf = run->state;

	for (size_t i = 0; shelf && i < shelf->count; i++)
		profile_free(shelf->profiles[i]);
	free(shelf);
	run->state = NULL;
}

static bool is_command(const struct profile_command *ours, const struct ev_command *fact)
{
	const struct diag_target target = obd_target(&ours->ecu);

	if (ours->request_len != fact->request_len ||
	    memcmp(ours->request, fact->request, fact->request_len) != 0 ||
	    ours->ecu.extension != fact->extension)
		return false;
	return fact->rx == 0 ? ours->ecu.functional : diag_target_answers(&target) == fact->rx;
}

static bool same(double a, double b)
{
	return fabs(a - b) <= 1e-9 * fmax(1, fmax(fabs(a), fabs(b)));
}

static bool reads_the_same(const struct profile_signal *ours, const struct ev_signal *fact)
{
	const struct model_signal *format = &ours->format;

	if (ours->text)
		return true;
	return format->is_signed == fact->is_signed &&
	       (fact->bits <= 8 || (format->order == MODEL_SIGNAL_REVERSED) == fact->reversed) &&
	       same(format->mul / format->div, fact->mul / fact->div) &&
	       same(format->add, fact->add);
}

enum finding { NOWHERE, OTHERWISE, THE_SAME };

/* One place may be read by several signals: variants of different lengths. */
static enum finding find_signal(const struct profile *profile, const struct ev_command *command,
				const struct ev_signal *fact, const char **ret_id)
{
	enum finding finding = NOWHERE;

	for (size_t c = 0; c < profile_command_count(profile); c++) {
		const struct profile_command *ours = profile_command(profile, c);

		if (!is_command(ours, command))
			continue;
		for (size_t i = 0; i < ours->signal_count; i++) {
			const struct profile_signal *signal =
				profile_signal(profile, ours->signal_first + i);

			if (signal->format.start != fact->start ||
			    signal->format.bits != fact->bits)
				continue;
			*ret_id = signal->id;
			if (reads_the_same(signal, fact))
				return THE_SAME;
			finding = OTHERWISE;
		}
	}
	return finding;
}

/* How much of a vehicle a profile reads as the facts say. */
static size_t agreement(const struct conform_run *run, const struct jr_value *vehicle,
			const struct profile *profile)
{
	const struct jr_value *commands = jr_get(vehicle, "commands");
	struct ev_command command;
	struct ev_signal fact;
	const char *id;
	size_t count = 0;

	for (size_t i = 0; i < jr_count(commands); i++) {
		const struct jr_value *signals = jr_get(jr_at(commands, i), "signals");

		if (!ev_command_read(run, jr_at(commands, i), &command))
			continue;
		for (size_t k = 0; k < jr_count(signals); k++)
			count += ev_signal_read(run, jr_at(signals, k), &fact) &&
				 find_signal(profile, &command, &fact, &id) == THE_SAME;
	}
	return count;
}

static const struct profile *profile_of(const struct conform_run *run,
					const struct jr_value *vehicle)
{
	const struct shelf *shelf = run->state;
	const struct profile *best = NULL;
	size_t most = 0;

	for (size_t i = 0; i < shelf->count; i++) {
		const size_t count = agreement(run, vehicle, shelf->profiles[i]);

		if (count > most) {
			most = count;
			best = shelf->profiles[i];
		}
	}
	return best;
}

static int take_command(struct conform_run *run, const char *vehicle, const struct profile *profile,
			const struct jr_value *object)
{
	const struct jr_value *signals = jr_get(object, "signals");
	struct ev_command command;
	struct ev_signal fact;

	if (!ev_command_read(run, object, &command))
		return -EINVAL;
	for (size_t i = 0; i < jr_count(signals); i++) {
		const char *id = "";
		enum finding finding = NOWHERE;

		if (!ev_signal_read(run, jr_at(signals, i), &fact))
			return -EINVAL;
		run->line = conform_line(run, jr_at(signals, i));
		if (profile)
			finding = find_signal(profile, &command, &fact, &id);
		if (finding == THE_SAME)
			conform_right(run);
		else if (finding == OTHERWISE)
			conform_wrong(run, "%s %s: %s reads it otherwise as %s", vehicle, fact.name,
				      profile_name(profile), id);
		else
			conform_withheld(run, "%s %s: %s", vehicle, fact.name,
					 profile ? profile_name(profile) : "no profile");
		run->line = 1;
	}
	return 0;
}

int conform_ev_pids(struct conform_run *run, const struct jr_value *document)
{
	const struct jr_value *vehicles = jr_get(document, "vehicles");

	for (size_t i = 0; i < jr_count(vehicles); i++) {
		const struct jr_value *vehicle = jr_at(vehicles, i);
		const struct jr_value *commands = jr_get(vehicle, "commands");
		const char *id = conform_text(vehicle, "id");
		const struct profile *profile = profile_of(run, vehicle);

		for (size_t c = 0; c < jr_count(commands); c++) {
			const int err =
				take_command(run, id ? id : "?", profile, jr_at(commands, c));

			if (err)
				return err;
		}
	}
	return 0;
}
