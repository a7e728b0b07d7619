/* Between board.c (what is known) and subscription.c (who has been told). */
#ifndef CLOUD_HTTP_BOARD_PRIV_H
#define CLOUD_HTTP_BOARD_PRIV_H

#include "cloud/http/board.h"

struct slot {
	int64_t device;
	char name[IDS_SIZE];
	enum health_state state;
	enum health_reason reason;
	int64_t last_update_ms, received_ms, due_ms;
	bool gone;
	struct buf json; /* its item without the age, made when first told; empty: to be made */
};

struct board {
	struct board *next;
	struct boards *boards;
	struct coredb_workspace workspace;
	struct slot *slots; /* owned, by ascending device */
	size_t count, cap;
	int64_t counts[HEALTH_STATE_COUNT];
	struct subscription *subscriptions;
	bool rescan;
};

struct subscription {
	struct board *board;
	struct subscription *next; /* of the board */
	bool all;                  /* counts and changes of state, of every device */
	uint8_t *wanted, *dirty;   /* owned; a bit a slot, `bits` of them */
	size_t bits;
	bool initial; /* initial_status is due */
	bool counts;  /* counts have changed since they were told */
	bool any;     /* some bit of `dirty` is set */
};

/* ---- board.c ---- */

/* The workspace's board, read now where nobody watched it before. 0, -ENOMEM, -errno. */
int board_open(struct boards *boards, const struct coredb_workspace *workspace,
	       struct board **ret_board);
/* Frees it when nobody watches any more. */
void board_leave(struct board *board);
/* Appends a slot's item with its age. 0 (also where the device has just gone) or -errno. */
int board_item_write(struct board *board, struct slot *slot, int64_t now_ms, struct jw *w);

/* ---- subscription.c ---- */

/* Room for `count` slots. A subscription that cannot grow misses new devices, nothing else. */
bool subscription_grow(struct subscription *sub, size_t count);
/* A slot is put in at `place`, before which there were `count`. */
void subscription_shift(struct subscription *sub, size_t place, size_t count);
/* Slot `index` is not what was told. */
void subscription_tell(struct subscription *sub, size_t index, bool state_changed);

#endif
