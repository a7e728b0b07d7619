#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cloud/http/board_priv.h"

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

bool subscription_grow(struct subscription *sub, size_t count)
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
	if (!subscription_grow(sub, index + 1))
		return;
	set_bit(sub->dirty, index);
	sub->any = true;
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

void subscription_shift(struct subscription *sub, size_t place, size_t count)
{
	if (sub->bits <= count)
		return;
	shift_bits(sub->wanted, place, count);
	shift_bits(sub->dirty, place, count);
}

void subscription_tell(struct subscription *sub, size_t index, bool state_changed)
{
	const bool wanted = index < sub->bits && bit(sub->wanted, index);

	if (state_changed)
		sub->counts = true;
	if (!sub->board->slots[index].gone && (wanted || (sub->all && state_changed)))
		mark(sub, index);
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

int subscription_open(struct boards *boards, const struct coredb_workspace *workspace,
		      const struct jr_value *devices, struct subscription **ret_sub)
{
	struct subscription *sub = calloc(1, sizeof(*sub));
	int r;

	if (!sub)
		return -ENOMEM;
	r = board_open(boards, workspace, &sub->board);
	if (r) {
		free(sub);
		return r;
	}
	sub->next = sub->board->subscriptions;
	sub->board->subscriptions = sub;
	sub->initial = true;
	sub->all = jr_type(devices) == JR_NONE;
	if (!subscription_grow(sub, sub->board->count + 1))
		r = -ENOMEM;
	if (!r && !sub->all)
		r = want_devices(sub, devices);
	if (r) {
		subscription_close(sub);
		return r;
	}
	*ret_sub = sub;
	return 0;
}

void subscription_close(struct subscription *sub)
{
	if (!sub)
		return;
	for (struct subscription **at = &sub->board->subscriptions; *at; at = &(*at)->next) {
		if (*at == sub) {
			*at = sub->next;
			break;
		}
	}
	board_leave(sub->board);
	free(sub->wanted);
	free(sub->dirty);
	free(sub);
}

int64_t subscription_workspace(const struct subscription *sub)
{
	return sub->board->workspace.id;
}

bool subscription_has_news(const struct subscription *sub)
{
	return sub->initial || sub->any || sub->counts;
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
		if (shown == BOARD_ITEMS_MAX) {
			sub->any = true;
			continue;
		}
		r = board_item_write(board, &board->slots[i], now_ms, w);
		if (!r)
			clear_bit(sub->dirty, i);
		shown++;
	}
	if (r)
		sub->any = true;
	return r;
}

int subscription_write(struct subscription *sub, struct buf *out)
{
	struct api *api = sub->board->boards->api;
	const int64_t now_ms = clock_wall_ms(api->config.clock);
	struct jw w;
	int r;

	r = query_begin(api->query, now_ms);
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
	query_end(api->query);
	if (!r)
		r = out->error;
	if (!r)
		sub->initial = sub->counts = false;
	return r;
}
