#include "cloud/http/push.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOT_JSON_MAX 16384
#define TAKE_CHUNK 256

struct slot {
	int64_t device;
	char name[IDS_SIZE];
	enum health_state state;
	enum health_reason reason;
	int64_t last_update_ms, received_ms, due_ms;
	bool gone;
	struct buf json; /* its item without the age, made when first told; empty: to be made */
};

struct subscription {
	struct push_client *client;
	struct board *board;
	struct subscription *next; /* of the board */
	bool all;                  /* counts and changes of state, of every device */
	uint8_t *wanted, *dirty;   /* owned; a bit a slot, `bits` of them */
	size_t bits;
	bool initial; /* initial_status is due */
	bool counts;  /* counts have changed since they were told */
	bool any;     /* some bit of `dirty` is set */
};

struct board {
	struct board *next;
	struct push *push;
	struct coredb_workspace workspace;
	struct slot *slots; /* owned, by ascending device */
	size_t count, cap;
	int64_t counts[HEALTH_STATE_COUNT];
	struct subscription *subscriptions;
	bool rescan;
};

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
	struct api *api;
	struct live *live;
	struct board *boards;
	struct push_client *clients;
	int64_t time_us, rescan_us, recheck_us;
	struct push_totals totals;
};

int push_create(struct api *api, struct live *live, struct push **ret_push)
{
	struct push *push = calloc(1, sizeof(*push));

	if (!push)
		return -ENOMEM;
	push->api = api;
	push->live = live;
	*ret_push = push;
	return 0;
}

static int64_t mono_us(const struct push *push)
{
	return clock_mono_us(push->api->config.clock);
}

static int64_t wall_ms(const struct push *push)
{
	return clock_wall_ms(push->api->config.clock);
}

bool push_is_watched(const struct push *push)
{
	return push->boards != NULL;
}

void push_totals(const struct push *push, struct push_totals *ret_totals)
{
	*ret_totals = push->totals;
}

/* ---- bits ------------------------------------------------------------------------------------- */

static bool bit(const uint8_t *bits, size_t index)
{
	return bits[index / 8] >> (index % 8) & 1;
}

static void set_bit(uint8_t *bits, size_t index)
{
	bits[index / 8] = (uint8_t)(bits[index / 8] | 1U << (index % 8));
}

static void clear_bit(uint8_t *bits, size_t index)
{
	bits[index / 8] = (uint8_t)(bits[index / 8] & ~(1U << (index % 8)));
}

/* Room for `count` slots. A subscription that cannot grow misses new devices, nothing else. */
static bool grow_bits(struct subscription *sub, size_t count)
{
	size_t bits = (count + 1023) / 1024 * 1024;
	uint8_t *wanted, *dirty;

	if (count <= sub->bits)
		return true;
	wanted = calloc(1, bits / 8);
	dirty = calloc(1, bits / 8);
	if (!wanted || !dirty) {
		free(wanted);
		free(dirty);
		return false;
	}
	if (sub->bits) {
		memcpy(wanted, sub->wanted, sub->bits / 8);
		memcpy(dirty, sub->dirty, sub->bits / 8);
	}
	free(sub->wanted);
	free(sub->dirty);
	sub->wanted = wanted;
	sub->dirty = dirty;
	sub->bits = bits;
	return true;
}

static void mark(struct subscription *sub, size_t index)
{
	if (!grow_bits(sub, index + 1))
		return;
	set_bit(sub->dirty, index);
	sub->any = true;
}

/* ---- boards ----------------------------------------------------------------------------------- */

/* Where the device's slot is, or would be. */
static size_t slot_place(const struct board *board, int64_t device)
{
	size_t low = 0, high = board->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (board->slots[middle].device < device)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct slot *slot_find(struct board *board, int64_t device)
{
	size_t place = slot_place(board, device);

	if (place < board->count && board->slots[place].device == device)
		return &board->slots[place];
	return NULL;
}

/* Bits from `index` on move one place up. */
static void shift_bits(uint8_t *bits, size_t index, size_t count)
{
	for (size_t i = count; i > index; i--) {
		if (bit(bits, i - 1))
			set_bit(bits, i);
		else
			clear_bit(bits, i);
	}
	clear_bit(bits, index);
}

static bool slots_grow(struct board *board)
{
	size_t cap = board->cap ? board->cap * 2 : 64;
	struct slot *grown;

	if (board->count < board->cap)
		return true;
	grown = realloc(board->slots, cap * sizeof(*grown));
	if (!grown)
		return false;
	board->slots = grown;
	board->cap = cap;
	return true;
}

/* A new device's row is nearly always the largest; a database may give a removed one's again. */
static struct slot *slot_add(struct board *board, int64_t device)
{
	const size_t place = slot_place(board, device);
	const size_t behind = board->count - place;
	struct slot *slot;

	if (!slots_grow(board))
		return NULL;
	for (struct subscription *sub = board->subscriptions; sub && behind; sub = sub->next) {
		if (!grow_bits(sub, board->count + 1))
			return NULL;
	}
	for (struct subscription *sub = board->subscriptions; sub && behind; sub = sub->next) {
		if (sub->bits <= board->count)
			continue;
		shift_bits(sub->wanted, place, board->count);
		shift_bits(sub->dirty, place, board->count);
	}
	slot = &board->slots[place];
	memmove(slot + 1, slot, behind * sizeof(*slot));
	*slot = (struct slot){.device = device, .gone = true};
	buf_init(&slot->json, SLOT_JSON_MAX);
	board->count++;
	return slot;
}

/* The slot is not what was told: who is to hear of it? */
static void slot_tell(struct board *board, struct slot *slot, bool state_changed)
{
	size_t index = (size_t)(slot - board->slots);

	buf_reset(&slot->json);
	for (struct subscription *sub = board->subscriptions; sub; sub = sub->next) {
		bool wanted = index < sub->bits && bit(sub->wanted, index);

		if (state_changed)
			sub->counts = true;
		if (!slot->gone && (wanted || (sub->all && state_changed)))
			mark(sub, index);
	}
}

static void slot_remove(struct board *board, struct slot *slot)
{
	if (slot->gone)
		return;
	slot->gone = true;
	board->counts[slot->state]--;
	slot_tell(board, slot, true);
}

/* Judges the device and tells where that is new. `changed`: its data is new whatever the judgement. */
static int slot_judge(struct board *board, const struct coredb_health_row *row, bool changed)
{
	struct slot *slot = slot_find(board, row->device.id);
	struct query_row item;
	bool state_changed;

	if (!slot)
		slot = slot_add(board, row->device.id);
	if (!slot)
		return -ENOMEM;
	query_judge(board->push->api->query, &board->workspace, row, &item);
	state_changed = slot->gone || slot->state != item.health.state ||
			slot->reason != item.health.reason;
	changed = changed || state_changed || slot->received_ms != row->state.last_received_at_ms ||
		  slot->last_update_ms != row->state.last_update_at_ms;
	if (!slot->gone)
		board->counts[slot->state]--;
	board->counts[item.health.state]++;
	slot->gone = false;
	slot->state = item.health.state;
	slot->reason = item.health.reason;
	slot->last_update_ms = row->state.last_update_at_ms;
	slot->received_ms = row->state.last_received_at_ms;
	slot->due_ms = item.due_ms;
	memcpy(slot->name, row->device.name, sizeof(slot->name));
	if (changed)
		slot_tell(board, slot, state_changed);
	return 0;
}

/* Reads the device again; one that has left the registry leaves the board. */
static int device_refresh(struct board *board, int64_t device, bool changed)
{
	struct coredb_health_row row;
	struct slot *slot;
	int r;

	r = coredb_health_get(board->push->api->reader, device, &row);
	if (!r && row.device.workspace == board->workspace.id)
		return slot_judge(board, &row, changed);
	if (r && r != -ENOENT)
		return r;
	slot = slot_find(board, device);
	if (slot)
		slot_remove(board, slot);
	return 0;
}

struct scan {
	struct board *board;
	size_t next; /* slots before it were seen */
	int error;
};

static int each_row(void *arg, const struct coredb_health_row *row)
{
	struct scan *scan = arg;
	struct board *board = scan->board;

	while (scan->next < board->count && board->slots[scan->next].device < row->device.id)
		slot_remove(board, &board->slots[scan->next++]);
	scan->error = slot_judge(board, row, false);
	scan->next++;
	return scan->error != 0;
}

/* Reads the whole workspace, in order of rows, as the slots are. */
static int board_scan(struct board *board)
{
	struct coredb *db = board->push->api->reader;
	struct scan scan = {.board = board};
	int r;

	r = coredb_workspace_get(db, board->workspace.id, &board->workspace);
	if (r && r != -ENOENT)
		return r;
	r = coredb_health_each(db, board->workspace.id, 0, INT32_MAX, each_row, &scan);
	if (r < 0)
		return r;
	if (scan.error)
		return scan.error;
	while (scan.next < board->count)
		slot_remove(board, &board->slots[scan.next++]);
	board->rescan = false;
	return 0;
}

static void board_free(struct board *board)
{
	for (struct board **at = &board->push->boards; *at; at = &(*at)->next) {
		if (*at == board) {
			*at = board->next;
			break;
		}
	}
	for (size_t i = 0; i < board->count; i++)
		buf_free(&board->slots[i].json);
	free(board->slots);
	free(board);
}

static struct board *board_find(const struct push *push, int64_t workspace)
{
	struct board *board = push->boards;

	while (board && board->workspace.id != workspace)
		board = board->next;
	return board;
}

/* The workspace's board, read now where nobody watched it before. */
static int board_open(struct push *push, const struct coredb_workspace *workspace,
		      struct board **ret_board)
{
	struct board *board = board_find(push, workspace->id);
	int r;

	if (board) {
		*ret_board = board;
		return 0;
	}
	board = calloc(1, sizeof(*board));
	if (!board)
		return -ENOMEM;
	board->push = push;
	board->workspace = *workspace;
	board->next = push->boards;
	push->boards = board;
	r = query_begin(push->api->query, wall_ms(push));
	if (!r)
		r = board_scan(board);
	query_end(push->api->query);
	if (r) {
		board_free(board);
		return r;
	}
	*ret_board = board;
	return 0;
}

/* ---- subscriptions ---------------------------------------------------------------------------- */

static void subscription_free(struct subscription *sub)
{
	struct board *board;

	if (!sub)
		return;
	board = sub->board;
	for (struct subscription **at = &board->subscriptions; *at; at = &(*at)->next) {
		if (*at == sub) {
			*at = sub->next;
			break;
		}
	}
	if (!board->subscriptions)
		board_free(board);
	free(sub->wanted);
	free(sub->dirty);
	free(sub);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sets the bits of the devices that are named; names that are nobody's are without effect. */
static int want_devices(struct subscription *sub, const struct jr_value *devices)
{
	const struct board *board = sub->board;
	const size_t count = jr_count(devices);
	const char **names = calloc(count + 1, sizeof(*names));
	size_t len;
	int r = 0;

	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		if (!jr_string(jr_at(devices, i), &names[i], &len))
			r = -EINVAL;
	}
	if (r)
		goto out;
	if (count)
		qsort(names, count, sizeof(*names), compare_names);
	for (size_t i = 0; i < board->count && i < sub->bits && count; i++) {
		const char *name = board->slots[i].name;

		if (!board->slots[i].gone &&
		    bsearch(&name, names, count, sizeof(*names), compare_names))
			set_bit(sub->wanted, i);
	}
out:
	free(names);
	return r;
}

static size_t subscription_place(const struct push_client *client, int64_t workspace)
{
	size_t free_place = PUSH_SUBSCRIPTIONS_MAX;

	for (size_t i = 0; i < PUSH_SUBSCRIPTIONS_MAX; i++) {
		const struct subscription *sub = client->subscriptions[i];

		if (sub && sub->board->workspace.id == workspace)
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
	struct board *board;
	int r = 0;

	if (place == PUSH_SUBSCRIPTIONS_MAX)
		return "too many workspaces are subscribed on this connection";
	if (board_open(client->push, workspace, &board))
		return "the core cannot read this workspace at the moment";
	sub = calloc(1, sizeof(*sub));
	if (!sub) {
		if (!board->subscriptions)
			board_free(board);
		return "the core is out of memory";
	}
	sub->client = client;
	sub->board = board;
	sub->next = board->subscriptions;
	board->subscriptions = sub;
	sub->initial = true;
	sub->all = jr_type(devices) == JR_NONE;
	if (!grow_bits(sub, board->count + 1))
		r = -ENOMEM;
	if (!r && !sub->all)
		r = want_devices(sub, devices);
	if (r) {
		subscription_free(sub);
		return r == -EINVAL ? "devices must be a list of device ids"
				    : "the core is out of memory";
	}
	subscription_free(client->subscriptions[place]);
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
	    coredb_workspace_find(client->push->api->reader, name, &workspace))
		return "there is no such workspace";
	return subscribe_to(client, &workspace, devices);
}

/* ---- clients ---------------------------------------------------------------------------------- */

int push_client_open(struct push *push, const struct access_principal *principal,
		     struct push_client **ret_client)
{
	struct push_client *client;

	if (push->totals.clients >= PUSH_CLIENTS_MAX)
		return -ENOSPC;
	client = calloc(1, sizeof(*client));
	if (!client)
		return -ENOMEM;
	client->push = push;
	client->principal = *principal;
	client->updated_us = mono_us(push) - PUSH_INTERVAL_US;
	client->next = push->clients;
	push->clients = client;
	push->totals.clients++;
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
		subscription_free(client->subscriptions[i]);
	for (struct push_client **at = &push->clients; *at; at = &(*at)->next) {
		if (*at == client) {
			*at = client->next;
			break;
		}
	}
	push->totals.clients--;
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
	client->push->totals.errors++;
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
	return sub && (sub->initial || sub->any || sub->counts);
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

/* The slot's item without its age, kept for the next client. -ENOENT: it has just gone. */
static int slot_render(struct board *board, struct slot *slot)
{
	struct api *api = board->push->api;
	struct coredb_health_row row;
	struct query_row item;
	struct jw w;
	int r;

	if (slot->json.len)
		return 0;
	r = coredb_health_get(api->reader, slot->device, &row);
	if (r)
		return r;
	query_judge(api->query, &board->workspace, &row, &item);
	jw_init(&w, &slot->json);
	r = query_row_write(api->query, &w, &item, false);
	if (r)
		buf_reset(&slot->json);
	return r;
}

static int item_write(struct board *board, struct slot *slot, int64_t now_ms, struct jw *w)
{
	struct buf item;
	struct jw inner;
	int r;

	r = slot_render(board, slot);
	if (r)
		return r == -ENOENT ? 0 : r;
	buf_init(&item, SLOT_JSON_MAX + 64);
	jw_init(&inner, &item);
	jw_open_object(&inner);
	jw_key(&inner, "freshness_age_s");
	if (slot->last_update_ms == MODEL_NO_TIME)
		jw_put_null(&inner);
	else
		jw_put_number(&inner, now_ms <= slot->last_update_ms
					      ? 0
					      : (double)(now_ms - slot->last_update_ms) / 1000.0);
	buf_putc(&item, ',');
	buf_append(&item, slot->json.data + 1, slot->json.len - 1);
	if (!item.error)
		jw_put_raw(w, item.data, item.len);
	r = item.error;
	buf_free(&item);
	return r;
}

/* A first message shows what is wanted, a later one what is dirty. What does not fit into one
 * message stays dirty. */
static int items_write(struct subscription *sub, int64_t now_ms, struct jw *w)
{
	struct board *board = sub->board;
	size_t shown = 0;
	int r = 0;

	sub->any = false;
	for (size_t i = 0; i < board->count && i < sub->bits && !r; i++) {
		if (sub->initial && bit(sub->wanted, i))
			set_bit(sub->dirty, i);
		else if (sub->initial)
			clear_bit(sub->dirty, i);
		if (!bit(sub->dirty, i))
			continue;
		if (board->slots[i].gone) {
			clear_bit(sub->dirty, i);
			continue;
		}
		if (shown == PUSH_DEVICES_MAX) {
			sub->any = true;
			continue;
		}
		r = item_write(board, &board->slots[i], now_ms, w);
		if (!r)
			clear_bit(sub->dirty, i);
		shown++;
	}
	if (r)
		sub->any = true;
	return r;
}

static int status_write(struct subscription *sub, struct buf *out)
{
	struct push *push = sub->board->push;
	const int64_t now_ms = wall_ms(push);
	struct jw w;
	int r;

	r = query_begin(push->api->query, now_ms);
	if (r)
		return r;
	jw_init(&w, out);
	jw_open_object(&w);
	jw_text(&w, "type", sub->initial ? "initial_status" : "status_update");
	jw_text(&w, "workspace_id", sub->board->workspace.name);
	jw_time(&w, "evaluated_at", now_ms);
	jw_key(&w, "counts");
	query_counts_write(&w, sub->board->counts);
	jw_key(&w, "items");
	jw_open_array(&w);
	r = items_write(sub, now_ms, &w);
	jw_close_array(&w);
	jw_close_object(&w);
	query_end(push->api->query);
	if (!r)
		r = out->error;
	if (!r)
		sub->initial = sub->counts = false;
	return r;
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
	client->push->totals.messages++;
	if (client->error || client->pong) {
		small_write(client, out);
		return out->error ? out->error : 1;
	}
	sub = next_subscription(client);
	if (!sub)
		return 0;
	client->updated_us = mono_us(client->push);
	r = status_write(sub, out);
	return r ? r : 1;
}

/* ---- the passing of time ---------------------------------------------------------------------- */

static int take_changes(struct push *push)
{
	struct live_change changes[TAKE_CHUNK];
	bool overflow = false;
	size_t left = LIVE_MAX / TAKE_CHUNK;
	size_t count;
	int r = 0;

	do {
		bool more = false;

		count = live_take(push->live, changes, TAKE_CHUNK, &more);
		overflow = overflow || more;
		for (size_t i = 0; i < count; i++) {
			struct board *board = board_find(push, changes[i].workspace);
			int failed;

			if (!board)
				continue;
			failed = device_refresh(board, changes[i].device, true);
			/* What was taken is not told again: look at everything later. */
			if (failed) {
				board->rescan = true;
				r = failed;
			}
		}
	} while (count == TAKE_CHUNK && --left);
	for (struct board *board = push->boards; overflow && board; board = board->next)
		board->rescan = true;
	return r;
}

/* A new policy judges everything anew. */
static int policy_look(struct board *board)
{
	struct coredb_workspace row;
	int r = coredb_workspace_get(board->push->api->reader, board->workspace.id, &row);

	if (r == -ENOENT ||
	    (!r && memcmp(&row.policy, &board->workspace.policy, sizeof(row.policy)) != 0))
		board->rescan = true;
	return r == -ENOENT ? 0 : r;
}

static int pass_time(struct push *push, int64_t now_ms)
{
	int r = 0;

	for (struct board *board = push->boards; board && !r; board = board->next) {
		r = policy_look(board);
		for (size_t i = 0; i < board->count; i++) {
			if (!board->slots[i].gone && board->slots[i].due_ms <= now_ms && !r)
				r = device_refresh(board, board->slots[i].device, false);
		}
	}
	return r;
}

static int rescan(struct push *push, bool all)
{
	int r = 0;

	for (struct board *board = push->boards; board && !r; board = board->next) {
		if (all || board->rescan)
			r = board_scan(board);
	}
	return r;
}

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
		int r = access_recheck(push->api->reader, &client->principal, now_ms);

		if (r == -ENOENT)
			client->over = true;
		else if (!r && client->principal.by_cookie)
			/* An open page is a session in use. */
			(void)access_touch(push->api->writer, client->principal.secret, now_ms);
	}
}

int push_tick(struct push *push)
{
	const int64_t now_us = mono_us(push);
	const int64_t now_ms = wall_ms(push);
	int r;

	if (is_time(&push->recheck_us, now_us, PUSH_RECHECK_US))
		recheck(push, now_ms);
	if (!push->boards)
		return 0;
	r = query_begin(push->api->query, now_ms);
	if (r)
		return r;
	r = take_changes(push);
	if (!r && is_time(&push->time_us, now_us, PUSH_TIME_US))
		r = pass_time(push, now_ms);
	if (!r)
		r = rescan(push, is_time(&push->rescan_us, now_us, PUSH_RESCAN_US));
	query_end(push->api->query);
	return r;
}
