#include "model/wire/control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/ids.h"
#include "model/wire/member_priv.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

void wire_ack_encode(struct jw *w, const struct wire_ack *ack)
{
	jw_open_object(w);
	jw_int(w, "v", WIRE_VERSION);
	jw_time(w, "at", ack->at_ms);
	if (ack->session[0] != '\0')
		jw_text(w, "session", ack->session);
	jw_text(w, "epoch", ack->epoch);
	member_ranges_encode(w, "committed", ack->committed, ack->committed_count);
	jw_key(w, "ask");
	jw_open_array(w);
	for (size_t i = 0; i < ack->ask_count; i++)
		jw_put_text(w, ack->ask[i]);
	jw_close_array(w);
	jw_key(w, "deferred");
	jw_open_array(w);
	for (size_t i = 0; i < ack->deferred_count; i++) {
		jw_open_object(w);
		jw_int(w, "batch", ack->deferred[i].batch);
		jw_text(w, "reason", ack->deferred[i].reason);
		jw_int(w, "retry_after_s", ack->deferred[i].retry_after_s);
		jw_close_object(w);
	}
	jw_close_array(w);
	jw_close_object(w);
}

static void read_asked(struct member_reader *r, struct wire_ack *ack)
{
	const struct jr_value *list;
	size_t count = member_list(r, "ask", WIRE_ASK_MAX, &list);

	for (size_t i = 0; i < count; i++)
		if (!jr_string_copy(jr_at(list, i), ack->ask[i], sizeof(ack->ask[i])) ||
		    !ids_valid(ack->ask[i], strlen(ack->ask[i])))
			member_fail(r, -EINVAL, "ask: expected ids of epochs");
	ack->ask_count = count;
}

static void read_deferred(struct member_reader *r, struct wire_ack *ack)
{
	const struct jr_value *list;
	size_t count = member_list(r, "deferred", WIRE_DEFERRED_MAX, &list);

	for (size_t i = 0; i < count; i++) {
		struct member_reader in = member_inner(r, jr_at(list, i));
		struct wire_deferred *deferred = &ack->deferred[i];

		member_integer(&in, "batch", 1, INT64_MAX, &deferred->batch);
		member_id(&in, "reason", deferred->reason, sizeof(deferred->reason));
		member_integer_or(&in, "retry_after_s", 0, INT32_MAX, 0, &deferred->retry_after_s);
		r->error = in.error;
	}
	ack->deferred_count = count;
}

int wire_ack_decode(const void *payload, size_t len, struct wire_ack *ret_ack, char *problem,
		    size_t problem_size)
{
	struct wire_ack ack = {.at_ms = 0};
	struct member_payload p;

	member_payload_open(&p, payload, len, problem, problem_size);
	member_time(&p.r, "at", &ack.at_ms);
	member_id_or_none(&p.r, "session", ack.session, sizeof(ack.session));
	member_id(&p.r, "epoch", ack.epoch, sizeof(ack.epoch));
	member_ranges(&p.r, "committed", ack.committed, COUNT(ack.committed), &ack.committed_count);
	read_asked(&p.r, &ack);
	read_deferred(&p.r, &ack);
	if (p.r.error == 0)
		*ret_ack = ack;
	return member_payload_close(&p);
}

static const char *const link_states[] = {"offline", "online"};

void wire_link_encode(struct jw *w, const struct wire_link *link)
{
	jw_open_object(w);
	jw_int(w, "v", WIRE_VERSION);
	jw_text(w, "session", link->session);
	jw_text(w, "state", link_states[link->online]);
	jw_close_object(w);
}

int wire_link_decode(const void *payload, size_t len, struct wire_link *ret_link, char *problem,
		     size_t problem_size)
{
	struct wire_link link = {.online = false};
	struct member_payload p;

	member_payload_open(&p, payload, len, problem, problem_size);
	member_id(&p.r, "session", link.session, sizeof(link.session));
	link.online = member_word(&p.r, "state", link_states, COUNT(link_states)) == 1;
	if (p.r.error == 0)
		*ret_link = link;
	return member_payload_close(&p);
}
