/* Boards: what is known now of the workspaces that somebody watches, and who has been told. A board
 * holds a slot a device. A subscription holds two bits a slot: is it wanted, is there news. So a slow
 * reader costs bits, never a queue, and gets the newest state when it reads again.
 *
 * Knows no clients and no sockets. One thread owns it (that of the api, whose query it uses).
 */
#ifndef CLOUD_HTTP_BOARD_H
#define CLOUD_HTTP_BOARD_H

#include "cloud/http/api.h"
#include "cloud/relay/live.h"
#include "model/wire/json.h"

#define BOARD_ITEMS_MAX 1000 /* devices a message; what more there is comes with the next */

struct board;
struct subscription;

/* A board lives as long as it has a subscription. */
struct boards {
	struct api *api;     /* outlives them */
	struct board *first; /* NULL: nobody watches */
};

/* A new subscription to a workspace: to `devices`, an array of names (JR_NONE: to the counts, and to
 * the devices whose state or reason changes). Names that are nobody's are without effect. Reads the
 * workspace where nobody watched it before. 0; -EINVAL: `devices` holds what is no text; -ENOMEM;
 * -errno of the database. */
int subscription_open(struct boards *boards, const struct coredb_workspace *workspace,
		      const struct jr_value *devices, struct subscription **ret_sub);
void subscription_close(struct subscription *sub); /* NULL is accepted */
int64_t subscription_workspace(const struct subscription *sub);
/* Would subscription_write() tell something that was not told yet? */
bool subscription_has_news(const struct subscription *sub);
/* Appends a whole message, initial_status first and then status_update, with what is new. 0 or -errno;
 * then what was to be told still is. */
int subscription_write(struct subscription *sub, struct buf *out);

/* To be called between query_begin() and query_end(). 0 or -errno of the database; what was not done
 * then is done at a later call. */
int boards_take(struct boards *boards, struct live *live); /* the devices that `live` names */
int boards_pass_time(struct boards *boards,
		     int64_t now_ms); /* judgements that are due, new policies */
int boards_rescan(struct boards *boards,
		  bool all); /* whole workspaces; not `all`: those that need it */

#endif
