#include "cloud/relay/outbox.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "model/wire/json.h"

struct run {
	char *topic;
	struct jw w;
	int64_t workspace;
	int64_t last;
	int count;
};

static void open_message(struct run *run, const struct coredb_event *event)
{
	run->workspace = event->workspace;
	(void)snprintf(run->topic, OUTBOX_TOPIC_SIZE, "freshet/v1/%s/_events",
		       event->workspace_name);
	jw_open_object(&run->w);
	jw_int(&run->w, "v", 1);
	jw_text(&run->w, "workspace_id", event->workspace_name);
	jw_key(&run->w, "events");
	jw_open_array(&run->w);
}

static void put_event(struct jw *w, const struct coredb_event *event)
{
	jw_open_object(w);
	jw_text(w, "event_id", event->id);
	jw_int(w, "seq", event->seq);
	jw_text(w, "name", event->name);
	jw_text(w, "workspace_id", event->workspace_name);
	jw_text(w, "device_id", event->device_name[0] ? event->device_name : NULL);
	jw_time(w, "occurred_at", event->occurred_at_ms);
	jw_flag(w, "late", event->late);
	jw_text(w, "trace_id", event->trace_id);
	jw_key(w, "payload");
	jw_put_raw(w, event->payload, strlen(event->payload));
	jw_close_object(w);
}

static int take(void *arg, const struct coredb_event *event)
{
	struct run *run = arg;
	bool nobodys = event->workspace == 0 || event->workspace_name[0] == '\0';

	if (nobodys && run->workspace == 0) {
		run->last = event->seq;
		return 0;
	}
	if (run->workspace == 0)
		open_message(run, event);
	if (nobodys || event->workspace != run->workspace)
		return 1;
	put_event(&run->w, event);
	run->last = event->seq;
	run->count++;
	return 0;
}

int outbox_next(struct coredb *db, int64_t after, char topic[static OUTBOX_TOPIC_SIZE],
		struct buf *payload, int64_t *ret_last)
{
	struct run run = {.topic = topic, .last = after};
	int shown;

	buf_reset(payload);
	jw_init(&run.w, payload);
	shown = coredb_event_each(db, 0, after, OUTBOX_EVENTS_MAX, take, &run);
	if (shown < 0)
		return shown;
	if (run.count > 0) {
		jw_close_array(&run.w);
		jw_close_object(&run.w);
	}
	if (payload->error)
		return payload->error;
	*ret_last = run.last;
	return 0;
}
