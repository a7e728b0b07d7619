/* Live push: what WebSocket clients say, and what they are told when (board.h knows what is new).
 * Knows no sockets. One thread owns it (that of the api, whose query it uses).
 */
#ifndef CLOUD_HTTP_PUSH_H
#define CLOUD_HTTP_PUSH_H

#include "cloud/http/board.h"

#define PUSH_CLIENTS_MAX 512
#define PUSH_SUBSCRIPTIONS_MAX 8 /* workspaces a client */
#define PUSH_DEVICES_MAX 1000    /* devices a subscription names */
#define PUSH_MESSAGE_MAX 131072  /* bytes from a client */
#define PUSH_ERRORS_MAX 50       /* bad messages, then the connection is closed */
/* At most two updates a second a client. */
#define PUSH_INTERVAL_US INT64_C(500000)
/* How often time alone and the policy, the registry, and the client's right to listen are looked
 * at. */
#define PUSH_TIME_US INT64_C(1000000)
#define PUSH_RESCAN_US INT64_C(5000000)
#define PUSH_RECHECK_US INT64_C(60000000)

struct push;
struct push_client;

/* `api` and `live` outlive it. 0 or -ENOMEM. */
int push_create(struct api *api, struct live *live, struct push **ret_push);
void push_destroy(struct push *push); /* every client is closed before; NULL is accepted */

/* 0, -ENOSPC (too many clients) or -ENOMEM. */
int push_client_open(struct push *push, const struct access_principal *principal,
		     struct push_client **ret_client);
void push_client_close(struct push_client *client); /* NULL is accepted */

/* A message of the client, whole. 0; -EPROTO: too many bad ones, hang up. */
int push_client_receive(struct push_client *client, const char *text, size_t len);
/* Refuses a message that was not read: too large, or not text. Returns as above. */
int push_client_refuse(struct push_client *client, const char *detail);

/* Would push_client_next() give a message now? */
bool push_client_wants(const struct push_client *client);
/* Appends the next message. 1; 0 where there is none now; -errno. */
int push_client_next(struct push_client *client, struct buf *out);
/* Its token or session holds no longer: hang up. */
bool push_client_is_over(const struct push_client *client);

/* Takes what has changed and what time has done. To be called ten times a second while somebody is
 * subscribed. 0 or -errno of the database, tried again at the next call. */
int push_tick(struct push *push);
bool push_is_watched(const struct push *push);

#endif
