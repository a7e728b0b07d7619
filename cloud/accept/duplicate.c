/* Two machines with one identity: a card that was copied, a virtual machine that runs twice, a gateway
 * that was replaced and switched on again. Nothing is lost by it (a body is named by epoch, number and
 * digest), but readings mix and the broker throws out one for the other.
 *
 * What speaks for it, each time within COREDB_DUPLICATE_MS of the time before:
 *	an epoch that was live, gave way to another and is live again, without having ended    3 points
 *	a second body under a number, from another session than the one found before           3 points
 *	two sessions that speak by turns: a session is of one connection, and that does not
 *	come back; from the third return on                                                    certain
 * Any one of them happens to an honest gateway too (a message that was under way, a machine that was set
 * back), so it takes several. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cloud/accept/accept_priv.h"

#define EPOCH_POINTS 3
#define FORK_POINTS 3
#define CERTAIN 6
#define RETURNS 3
#define SUSPICION_MAX 100
#define CLEAR_AT_ONCE 64

static int load(struct accept *accept, int64_t gateway, struct coredb_gateway_state *state)
{
	int r;

	coredb_gateway_state_init(state);
	r = coredb_gateway_state_get(accept->db, gateway, state);
	return r == -ENOENT ? 0 : r;
}

static int tell(struct accept *accept, int64_t workspace, const char *gateway, const char *name,
		int64_t now_ms)
{
	char payload[128];
	struct coredb_event event = {
		.workspace = workspace, .name = name, .occurred_at_ms = now_ms, .payload = payload};

	(void)snprintf(payload, sizeof(payload), "{\"gateway_id\":\"%s\"}", gateway);
	return coredb_event_add(accept->db, &event);
}

static int suspect(struct accept *accept, const struct coredb_workspace *workspace,
		   const struct coredb_gateway *gateway, struct coredb_gateway_state *state,
		   int points, int64_t now_ms)
{
	if (state->suspected_at_ms == MODEL_NO_TIME ||
	    now_ms - state->suspected_at_ms > COREDB_DUPLICATE_MS)
		state->suspicion = 0;
	state->suspected_at_ms = now_ms;
	state->suspicion += points;
	if (state->suspicion > SUSPICION_MAX)
		state->suspicion = SUSPICION_MAX;
	if (state->suspicion < CERTAIN)
		return 0;
	state->duplicate_at_ms = now_ms;
	if (state->duplicate_since_ms != MODEL_NO_TIME)
		return 0;
	state->duplicate_since_ms = now_ms;
	return tell(accept, workspace->id, gateway->name, "DuplicateGatewayDetected", now_ms);
}

static int look_at_session(struct accept *accept, const struct coredb_workspace *workspace,
			   const struct coredb_gateway *gateway, struct coredb_gateway_state *state,
			   const char *session, int64_t now_ms)
{
	bool returned = state->spoke[0] && strcmp(session, state->spoke_before) == 0;
	bool lately = state->returned_at_ms != MODEL_NO_TIME &&
		      now_ms - state->returned_at_ms <= COREDB_DUPLICATE_MS;

	memcpy(state->spoke_before, state->spoke, sizeof(state->spoke_before));
	(void)snprintf(state->spoke, sizeof(state->spoke), "%s", session);
	if (!returned || !lately)
		state->returns = 0;
	if (!returned)
		return 0;
	state->returned_at_ms = now_ms;
	if (++state->returns < RETURNS)
		return 0;
	state->returns = RETURNS;
	return suspect(accept, workspace, gateway, state, CERTAIN, now_ms);
}

static int look_at_epoch(struct accept *accept, const struct coredb_workspace *workspace,
			 const struct coredb_gateway *gateway, struct coredb_gateway_state *state,
			 const struct coredb_epoch *live, int64_t now_ms)
{
	bool returned = live->live_at_ms != MODEL_NO_TIME && state->live_epoch != 0 && !live->over;

	state->live_epoch = live->id;
	if (!returned)
		return 0;
	return suspect(accept, workspace, gateway, state, EPOCH_POINTS, now_ms);
}

int duplicate_heard(struct accept *accept, const struct coredb_workspace *workspace,
		    const struct coredb_gateway *gateway, const char *session,
		    const struct coredb_epoch *live, int64_t received_ms)
{
	struct coredb_gateway_state state;
	bool changed = false;
	int r = load(accept, gateway->id, &state);

	if (!r && strcmp(session, state.spoke) != 0) {
		changed = true;
		r = look_at_session(accept, workspace, gateway, &state, session, received_ms);
	}
	if (!r && live && state.live_epoch != live->id) {
		changed = true;
		r = look_at_epoch(accept, workspace, gateway, &state, live, received_ms);
	}
	if (!r && changed)
		r = coredb_gateway_state_put(accept->db, gateway->id, &state);
	return r ? accept_fail(accept, r, "gateway state") : 0;
}

int duplicate_forked(struct accept *accept, const struct coredb_workspace *workspace,
		     const struct coredb_gateway *gateway, const char *session, int64_t received_ms)
{
	struct coredb_gateway_state state;
	bool lately;
	int r = load(accept, gateway->id, &state);

	if (r)
		return accept_fail(accept, r, "gateway state");
	if (strcmp(session, state.fork_session) == 0)
		return 0;
	lately = state.fork_session[0] && state.fork_at_ms != MODEL_NO_TIME &&
		 received_ms - state.fork_at_ms <= COREDB_DUPLICATE_MS;
	(void)snprintf(state.fork_session, sizeof(state.fork_session), "%s", session);
	state.fork_at_ms = received_ms;
	if (lately)
		r = suspect(accept, workspace, gateway, &state, FORK_POINTS, received_ms);
	if (!r)
		r = coredb_gateway_state_put(accept->db, gateway->id, &state);
	return r ? accept_fail(accept, r, "gateway state") : 0;
}

static int clear(struct accept *accept, int64_t gateway, int64_t now_ms)
{
	struct coredb_gateway_state state;
	char name[IDS_SIZE] = "";
	int64_t workspace = 0;
	int r = load(accept, gateway, &state);

	state.duplicate_since_ms = MODEL_NO_TIME;
	state.suspicion = 0;
	if (!r)
		r = coredb_gateway_state_put(accept->db, gateway, &state);
	if (!r)
		r = coredb_gateway_workspace(accept->db, gateway, &workspace);
	if (!r)
		r = coredb_gateway_name(accept->db, gateway, name);
	return r ? r : tell(accept, workspace, name, "DuplicateGatewayCleared", now_ms);
}

int duplicate_clear(struct accept *accept, int64_t now_ms)
{
	int64_t ids[CLEAR_AT_ONCE];
	int count = coredb_gateway_duplicates(accept->db, now_ms - COREDB_DUPLICATE_MS, ids,
					      CLEAR_AT_ONCE);
	int r = 0;

	for (int i = 0; i < count && !r; i++)
		r = clear(accept, ids[i], now_ms);
	return count < 0 ? count : r;
}
