/* What gateways say of themselves: link, status, and that they are alive. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloud/accept/accept_priv.h"

int gateway_identify(struct accept *accept, const char *workspace, const char *gateway,
		     struct coredb_workspace *ret_workspace, struct coredb_gateway *ret_gateway)
{
	int r = coredb_workspace_find(accept->db, workspace, ret_workspace);

	if (!r)
		r = coredb_gateway_find(accept->db, ret_workspace->id, gateway, ret_gateway);
	if (r && r != -ENOENT)
		return accept_fail(accept, r, "gateway");
	return r;
}

static int load_state(struct accept *accept, int64_t gateway, struct coredb_gateway_state *state)
{
	int r;

	coredb_gateway_state_init(state);
	r = coredb_gateway_state_get(accept->db, gateway, state);
	return r == -ENOENT ? 0 : r;
}

int gateway_contact(struct accept *accept, int64_t gateway, int64_t received_ms)
{
	struct coredb_gateway_state state;
	int r = load_state(accept, gateway, &state);

	if (r)
		return accept_fail(accept, r, "gateway state");
	if (received_ms > state.contact_at_ms)
		state.contact_at_ms = received_ms;
	/* Who sends is there, whatever a will said. */
	state.offline = false;
	r = coredb_gateway_state_put(accept->db, gateway, &state);
	return r ? accept_fail(accept, r, "gateway state") : 0;
}

/* A control payload that cannot be read, or from a gateway that nobody knows. */
static int refuse(struct accept *accept, int64_t workspace, int64_t gateway, const char *topic,
		  const char *reason, const char *detail, const void *payload, size_t len,
		  int64_t received_ms)
{
	int r = accept_count(accept, workspace, gateway, 0, "rejected", reason, 1);

	accept->uncommitted.batches[ACCEPT_REFUSED]++;
	if (r)
		return r;
	return accept_log_rejection(accept, workspace, gateway, topic, reason, detail, payload, len,
				    received_ms);
}

/* Identifies the sender of a control payload; 1: it was refused and that is all. */
static int open_control(struct accept *accept, const char *workspace, const char *gateway,
			const char *topic, const void *payload, size_t len, int64_t received_ms,
			struct coredb_workspace *ret_workspace, struct coredb_gateway *ret_gateway)
{
	int r = accept_begin(accept);

	if (r)
		return r;
	r = gateway_identify(accept, workspace, gateway, ret_workspace, ret_gateway);
	if (r != -ENOENT)
		return r;
	r = refuse(accept, 0, 0, topic, "unknown_gateway", "no gateway of that name is registered",
		   payload, len, received_ms);
	return r ? r : 1;
}

static void topic_name(char *out, size_t size, const char *workspace, const char *gateway,
		       const char *what)
{
	(void)snprintf(out, size, "freshet/v1/%s/%s/%s", workspace, gateway, what);
}

int accept_retained(struct accept *accept, const char *workspace, const char *gateway,
		    const void *payload, size_t len, int64_t received_ms)
{
	struct coredb_workspace ws = {0};
	struct coredb_gateway gw = {0};
	char topic[200];
	int r;

	topic_name(topic, sizeof(topic), workspace, gateway, "data");
	r = open_control(accept, workspace, gateway, topic, payload, len, received_ms, &ws, &gw);
	if (r)
		return r < 0 ? r : 0;
	return refuse(
		accept, ws.id, gw.id, topic, "retained",
		"a batch that the broker keeps and gives at each connection: nothing of it is "
		"taken; an empty retained message on this topic takes it away",
		payload, len, received_ms);
}

int accept_link(struct accept *accept, const char *workspace, const char *gateway,
		const void *payload, size_t len, bool retained, int64_t received_ms)
{
	struct coredb_workspace ws = {0};
	struct coredb_gateway gw = {0};
	struct coredb_gateway_state state;
	struct wire_link link;
	char problem[160] = "";
	char topic[200];
	int r;

	topic_name(topic, sizeof(topic), workspace, gateway, "link");
	r = open_control(accept, workspace, gateway, topic, payload, len, received_ms, &ws, &gw);
	if (r)
		return r < 0 ? r : 0;
	r = wire_link_decode(payload, len, &link, problem, sizeof(problem));
	if (r == -ENOMEM)
		return r;
	if (r)
		return refuse(accept, ws.id, gw.id, topic, "malformed", problem, payload, len,
			      received_ms);
	if (link.online && !retained)
		r = duplicate_heard(accept, &ws, &gw, link.session, NULL, received_ms);
	if (r)
		return r;
	r = load_state(accept, gw.id, &state);
	if (r)
		return accept_fail(accept, r, "gateway state");
	if (link.online) {
		memcpy(state.session, link.session, sizeof(state.session));
		state.link_at_ms = received_ms;
		if (!retained) {
			state.offline = false;
			state.contact_at_ms = received_ms;
		}
	} else if (state.session[0] == '\0' || strcmp(state.session, link.session) == 0) {
		/* The will of an older session says nothing of the one that is known. */
		state.offline = true;
		state.link_at_ms = received_ms;
	}
	r = coredb_gateway_state_put(accept->db, gw.id, &state);
	return r ? accept_fail(accept, r, "gateway state") : 0;
}

static int keep_report(struct accept *accept, const struct coredb_gateway *gateway,
		       const struct wire_status *status, const void *payload, size_t len,
		       int64_t received_ms)
{
	struct coredb_gateway_state state;
	int r = load_state(accept, gateway->id, &state);

	if (r)
		return r;
	state.contact_at_ms = received_ms;
	state.status_at_ms = received_ms;
	state.offline = false;
	state.backlog_batches = status->spool.batches;
	state.backlog_oldest_at_ms = status->spool.oldest_at_ms;
	r = coredb_gateway_state_put(accept->db, gateway->id, &state);
	return r ? r : coredb_gateway_report(accept->db, gateway->id, status, payload, len);
}

int accept_status(struct accept *accept, const char *workspace, const char *gateway,
		  const void *payload, size_t len, bool retained, int64_t received_ms)
{
	struct coredb_workspace ws = {0};
	struct coredb_gateway gw = {0};
	struct wire_status *status = NULL;
	char problem[160] = "";
	char topic[200];
	int r;

	topic_name(topic, sizeof(topic), workspace, gateway, "status");
	r = open_control(accept, workspace, gateway, topic, payload, len, received_ms, &ws, &gw);
	if (r)
		return r < 0 ? r : 0;
	/* An old report says nothing about now, and what it once said was heard then. */
	if (retained)
		return 0;
	status = malloc(sizeof(*status));
	if (!status)
		return -ENOMEM;
	r = wire_status_decode(payload, len, status, problem, sizeof(problem));
	if (r == -EINVAL || r == -EMSGSIZE) {
		r = refuse(accept, ws.id, gw.id, topic, "malformed", problem, payload, len,
			   received_ms);
	} else if (!r) {
		r = keep_report(accept, &gw, status, payload, len, received_ms);
		if (r)
			(void)accept_fail(accept, r, "gateway report");
	}
	free(status);
	return r;
}
