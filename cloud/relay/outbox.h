/* The outbox: events that have not left yet, batched a workspace, for the event bus. */
#ifndef CLOUD_RELAY_OUTBOX_H
#define CLOUD_RELAY_OUTBOX_H

#include "base/buf.h"
#include "storage/coredb/coredb.h"

#define OUTBOX_EVENTS_MAX 100
#define OUTBOX_TOPIC_SIZE 128

/* The next message: the run of events after `after` that belong to one workspace, as
 * {"v":1,"workspace_id":...,"events":[...]}. *ret_last is the last event in it. Events of no
 * workspace are nobody's message: where only such are next, `payload` stays empty and *ret_last moves
 * past them. *ret_last == `after`: nothing is left. 0 or -errno. */
int outbox_next(struct coredb *db, int64_t after, char topic[static OUTBOX_TOPIC_SIZE],
		struct buf *payload, int64_t *ret_last);

#endif
