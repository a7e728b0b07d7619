#include "cloud/http/push.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct push_client {
	struct push_client *next;
	struct push *push;
	struct access_principal principal;
	struct subscription *subscriptions[PUSH_SUBSCRIPTIONS_MAX];
	size_t turn; /* which subscription speaks next */
	int64_t updated_us;
	const char *error; /* a constant */
	bool pong, over;
	unsigned errors;
};

struct push {
	struct live *live;
	struct boards boards;
	struct push_client *clients;
	int64_t time_us, rescan_us, recheck_us;
	unsigned client_count;
};

int push_create(struct api *api, struct live *live, struct push **ret_push)
{
	struct push *push = calloc(1, sizeof(*push));

	if (!push)
		return -ENOMEM;
	push->boards.api = api;
	push->live = live;
	*ret_push = push;
	return 0;
}

static int64_t mono_us(const struct push *push)
{
	return clock_mono_us(push->boards.api->config.clock);
}

static int64_t wall_ms(const struct push *push)
{
	return clock_wall_ms(push->boards.api->config.clock);
}

bool push_is_watched(const struct push *push)
{
	return push->boards.first != NULL;
}

/* ---- subscriptions ---------------------------------------------------------------------------- */

static size_t subscription_place(const struct push_client *client, int64_t workspace)
{
	size_t free_place = PUSH_SUBSCRIPTIONS_MAX;

	for (size_t i = 0; i < PUSH_SUBSCRIPTIONS_MAX; i++) {
		const struct subscription *sub = client->subscriptions[i];

		if (sub && subscription_workspace(sub) == workspace)
			return i;
		if (!sub && free_place == PUSH_SUBSCRIPTIONS_MAX)
			free_place = i;
	}
	return free_place;
}

/* NULL, or what is wrong. */
static const char *subscribe_to(struct push_client *client,
				const struct coredb_workspace *workspace,
				const struct jr_value *devices)
{
	const size_t place = subscription_place(client, workspace->id);
	struct subscription *sub;

	if (place == PUSH_SUBSCRIPTIONS_MAX)
		return "too many workspaces are subscribed on this connection";
	switch (subscription_open(&client->push->boards, workspace, devices, &sub)) {
	case 0:
		break;
	case -EINVAL:
		return "devices must be a list of device ids";
	case -ENOMEM:
		return "the core is out of memory";
	default:
		return "the core cannot read this workspace at the moment";
	}
	subscription_close(client->subscriptions[place]);
	client->subscriptions[place] = sub;
	return NULL;
}

static const char *subscribe(struct push_client *client, const struct jr_value *message)
{
	const struct jr_value *devices = jr_get(message, "devices");
	struct coredb_workspace workspace;
	char name[IDS_SIZE];

	if (!jr_string_copy(jr_get(message, "workspace_id"), name, sizeof(name)))
		return "workspace_id is missing or is no id";
	if (jr_type(devices) != JR_NONE && jr_type(devices) != JR_ARRAY)
		return "devices must be a list of device ids";
	if (jr_count(devices) > PUSH_DEVICES_MAX)
		return "more than 1000 devices are named; without devices, counts and changes of "
		       "state are sent";
	if (!access_sees(&client->principal, name) ||
	    coredb_workspace_find(client->push->boards.api->reader, name, &workspace))
		return "there is no such workspace";
	return subscribe_to(client, &workspace, devices);
}

/* ---- clients ---------------------------------------------------------------------------------- */

int push_client_open(struct push *push, const struct access_principal *principal,
		     struct push_client **ret_client)
{
	struct push_client *client;

	if (push->client_count >= PUSH_CLIENTS_MAX)
		return -ENOSPC;
	client = calloc(1, sizeof(*client));
	if (!client)
		return -ENOMEM;
	client->push = push;
	client->principal = *principal;
	client->updated_us = mono_us(push) - PUSH_INTERVAL_US;
	client->next = push->clients;
	push->clients = client;
	push->client_count++;
	*ret_client = client;
	return 0;
}

void push_client_close(struct push_client *client)
{
	struct push *push;

	if (!client)
		return;
	push = client->push;
	for (size_t i = 0; i < PUSH_SUBSCRIPTIONS_MAX; i++)
		subscription_close(client->subscriptions[i]);
	for (struct push_client **at = &push->clients; *at; at = &(*at)->next) {
		if (*at == client) {
			*at = client->next;
			break;
		}
	}
	push->client_count--;
	explicit_bzero(&client->principal, sizeof(client->principal));
	free(client);
}

void push_destroy(struct push *push)
{
	if (!push)
		return;
	while (push->clients)
		push_client_close(push->clients);
	free(push);
}

int push_client_refuse(struct push_client *client, const char *detail)
{
	client->error = detail;
	return ++client->errors > PUSH_ERRORS_MAX ? -EPROTO : 0;
}

int push_client_receive(struct push_client *client, const char *text, size_t len)
{
	const char *problem = NULL;
	struct jr_error error;
	struct jr_doc *doc;
	char type[16];

	if (jr_parse(text, len, &doc, &error))
		return push_client_refuse(client, "the message is not JSON");
	if (!jr_string_copy(jr_get(jr_root(doc), "type"), type, sizeof(type)))
		problem = "type is missing";
	else if (strcmp(type, "ping") == 0)
		client->pong = true;
	else if (strcmp(type, "subscribe") == 0)
		problem = subscribe(client, jr_root(doc));
	else
		problem = "type must be subscribe or ping";
	jr_free(doc);
	return problem ? push_client_refuse(client, problem) : 0;
}

bool push_client_is_over(const struct push_client *client)
{
	return client->over;
}

/* ---- messages --------------------------------------------------------------------------------- */

static bool has_news(const struct subscription *sub)
{
	return sub && subscription_has_news(sub);
}

bool push_client_wants(const struct push_client *client)
{
	if (client->error || client->pong)
		return true;
	if (mono_us(client->push) - client->updated_us < PUSH_INTERVAL_US)
		return false;
	for (size_t i = 0; i < PUSH_SUBSCRIPTIONS_MAX; i++) {
		if (has_news(client->subscriptions[i]))
			return true;
	}
	return false;
}

static void small_write(struct push_client *client, struct buf *out)
{
	struct jw w;

	jw_init(&w, out);
	jw_open_object(&w);
	if (client->error) {
		jw_text(&w, "type", "error");
		jw_text(&w, "detail", client->error);
		client->error = NULL;
	} else {
		jw_text(&w, "type", "pong");
		jw_time(&w, "timestamp", wall_ms(client->push));
		client->pong = false;
	}
	jw_close_object(&w);
}

/* The subscriptions take turns, so that a busy one does not silence the others. */
static struct subscription *next_subscription(struct push_client *client)
{
	for (size_t i = 0; i < PUSH_SUBSCRIPTIONS_MAX; i++) {
		size_t turn = (client->turn + i) % PUSH_SUBSCRIPTIONS_MAX;

		if (has_news(client->subscriptions[turn])) {
			client->turn = turn + 1;
			return client->subscriptions[turn];
		}
	}
	return NULL;
}

int push_client_next(struct push_client *client, struct buf *out)
{
	struct subscription *sub;
	int r;

	if (!push_client_wants(client))
		return 0;
	if (client->error || client->pong) {
		small_write(client, out);
		return out->error ? out->error : 1;
	}
	sub = next_subscription(client);
	if (!sub)
		return 0;
	client->updated_us = mono_us(client->push);
	r = subscription_write(sub, out);
	return r ? r : 1;
}

/* ---- the passing of time ---------------------------------------------------------------------- */

/* True when `every` has passed since *last, which then is now. */
static bool is_time(int64_t *last, int64_t now_us, int64_t every)
{
	if (now_us - *last < every)
		return false;
	*last = now_us;
	return true;
}

static void recheck(struct push *push, int64_t now_ms)
{
	for (struct push_client *client = push->clients; client; client = client->next) {
		int r = access_recheck(push->boards.api->reader, &client->principal, now_ms);

		if (r == -ENOENT)
			client->over = true;
		else if (!r && client->principal.by_cookie)
			/* An open page is a session in use. */
			(void)access_touch(push->boards.api->writer, client->principal.secret,
					   now_ms);
	}
}

int push_tick(struct push *push)
{
	const int64_t now_us = mono_us(push);
	const int64_t now_ms = wall_ms(push);
	int r;

	if (is_time(&push->recheck_us, now_us, PUSH_RECHECK_US))
		recheck(push, now_ms);
	if (!push->boards.first)
		return 0;
	r = query_begin(push->boards.api->query, now_ms);
	if (r)
		return r;
	r = boards_take(&push->boards, push->live);
	if (!r && is_time(&push->time_us, now_us, PUSH_TIME_US))
		r = boards_pass_time(&push->boards, now_ms);
	if (!r)
		r = boards_rescan(&push->boards, is_time(&push->rescan_us, now_us, PUSH_RESCAN_US));
	query_end(push->boards.api->query);
	return r;
}
