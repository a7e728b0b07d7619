#include "cloud/http/board.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cloud/http/board_priv.h"

#define SLOT_JSON_MAX 16384
#define TAKE_CHUNK 256

/* ---- slots ------------------------------------------------------------------------------------ */

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
		if (!subscription_grow(sub, board->count + 1))
			return NULL;
	}
	for (struct subscription *sub = board->subscriptions; sub && behind; sub = sub->next)
		subscription_shift(sub, place, board->count);
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
	const size_t index = (size_t)(slot - board->slots);

	buf_reset(&slot->json);
	for (struct subscription *sub = board->subscriptions; sub; sub = sub->next)
		subscription_tell(sub, index, state_changed);
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
	query_judge(board->boards->api->query, &board->workspace, row, &item);
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

	r = coredb_health_get(board->boards->api->reader, device, &row);
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
	struct coredb *db = board->boards->api->reader;
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

/* The slot's item without its age, kept for the next client. -ENOENT: it has just gone. */
static int slot_render(struct board *board, struct slot *slot)
{
	struct api *api = board->boards->api;
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

int board_item_write(struct board *board, struct slot *slot, int64_t now_ms, struct jw *w)
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

/* ---- boards ----------------------------------------------------------------------------------- */

void board_leave(struct board *board)
{
	if (board->subscriptions)
		return;
	for (struct board **at = &board->boards->first; *at; at = &(*at)->next) {
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

static struct board *board_find(const struct boards *boards, int64_t workspace)
{
	struct board *board = boards->first;

	while (board && board->workspace.id != workspace)
		board = board->next;
	return board;
}

int board_open(struct boards *boards, const struct coredb_workspace *workspace,
	       struct board **ret_board)
{
	struct board *board = board_find(boards, workspace->id);
	int r;

	if (board) {
		*ret_board = board;
		return 0;
	}
	board = calloc(1, sizeof(*board));
	if (!board)
		return -ENOMEM;
	board->boards = boards;
	board->workspace = *workspace;
	board->next = boards->first;
	boards->first = board;
	r = query_begin(boards->api->query, clock_wall_ms(boards->api->config.clock));
	if (!r)
		r = board_scan(board);
	query_end(boards->api->query);
	if (r) {
		board_leave(board);
		return r;
	}
	*ret_board = board;
	return 0;
}

/* ---- the passing of time ---------------------------------------------------------------------- */

int boards_take(struct boards *boards, struct live *live)
{
	struct live_change changes[TAKE_CHUNK];
	bool overflow = false;
	size_t left = LIVE_MAX / TAKE_CHUNK;
	size_t count;
	int r = 0;

	do {
		bool more = false;

		count = live_take(live, changes, TAKE_CHUNK, &more);
		overflow = overflow || more;
		for (size_t i = 0; i < count; i++) {
			struct board *board = board_find(boards, changes[i].workspace);
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
	for (struct board *board = boards->first; overflow && board; board = board->next)
		board->rescan = true;
	return r;
}

/* A new policy judges everything anew. */
static int policy_look(struct board *board)
{
	struct coredb_workspace row;
	int r = coredb_workspace_get(board->boards->api->reader, board->workspace.id, &row);

	if (r == -ENOENT ||
	    (!r && memcmp(&row.policy, &board->workspace.policy, sizeof(row.policy)) != 0))
		board->rescan = true;
	return r == -ENOENT ? 0 : r;
}

int boards_pass_time(struct boards *boards, int64_t now_ms)
{
	int r = 0;

	for (struct board *board = boards->first; board && !r; board = board->next) {
		r = policy_look(board);
		for (size_t i = 0; i < board->count; i++) {
			if (!board->slots[i].gone && board->slots[i].due_ms <= now_ms && !r)
				r = device_refresh(board, board->slots[i].device, false);
		}
	}
	return r;
}

int boards_rescan(struct boards *boards, bool all)
{
	int r = 0;

	for (struct board *board = boards->first; board && !r; board = board->next) {
		if (all || board->rescan)
			r = board_scan(board);
	}
	return r;
}
