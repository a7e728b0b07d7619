/* Whom a request is for: the commands that lead an adapter there. */
#include <string.h>

#include "agent/source/obd_elm_priv.h"

#define FAILURES_MAX 3

static bool same_target(const struct diag_target *a, const struct diag_target *b)
{
	return a->tx == b->tx && a->rx == b->rx && a->id_bits == b->id_bits &&
	       a->extension == b->extension && a->functional == b->functional;
}

static struct elm_way *way_to(struct obd_elm *elm, const struct diag_target *target)
{
	for (size_t i = 0; i < elm->way_count; i++)
		if (same_target(&elm->ways[i].target, target))
			return &elm->ways[i];
	return NULL;
}

static void forget_failures(struct obd_elm *elm, const struct diag_target *target)
{
	struct elm_way *way = way_to(elm, target);

	if (way)
		*way = elm->ways[--elm->way_count];
}

/* `most`: there is no need to try again. */
static void note_failure(struct obd_elm *elm, const struct diag_target *target, bool most)
{
	struct elm_way *way = way_to(elm, target);

	if (!way && elm->way_count < RHYTHM_ECUS_MAX) {
		way = &elm->ways[elm->way_count++];
		*way = (struct elm_way){.target = *target};
	}
	if (way)
		way->failures = most ? FAILURES_MAX : way->failures + 1;
}

int elm_find_way(const struct obd_elm *elm, const struct diag_target *target,
		 struct elm327_switch *ret_way)
{
	for (size_t i = 0; i < elm->way_count; i++)
		if (elm->ways[i].failures >= FAILURES_MAX &&
		    same_target(&elm->ways[i].target, target))
			return ELM_E_WAY;
	return elm327_switch_target(&elm->can, elm->bus.protocol,
				    elm->has_target ? &elm->talks_to : NULL, target, ret_way);
}

const char *elm_way_problem(int error)
{
	return error == ELM_E_WAY ? "the adapter does not take the commands that lead there"
				  : elm327_target_problem(error);
}

/* The next command of the way, or at its end the request. */
void elm_walk(struct obd_elm *elm)
{
	if (elm->way_step < elm->way.count) {
		elm->phase = ELM_PHASE_WAY;
		elm->header_sent = true;
		elm_send_command(elm, elm->way.commands[elm->way_step]);
		return;
	}
	forget_failures(elm, &elm->request.target);
	elm->talks_to = elm->request.target;
	elm->has_target = true;
	elm_send_request(elm);
}

/* The adapter stands somewhere between two targets: it is set up anew. What does not understand a
 * command, or fails again and again, is not asked to go there any more. */
void elm_on_way_reply(struct obd_elm *elm, const struct elm327_reply *reply)
{
	if (reply->kind == ELM327_OK && strcmp(reply->text, "OK") == 0) {
		elm->way_step++;
		elm_walk(elm);
		return;
	}
	note_failure(elm, &elm->request.target, reply->kind == ELM327_UNSUPPORTED);
	elm_start_setup(elm);
}
