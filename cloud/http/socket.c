/* One WebSocket: messages in, the next message out whenever the socket takes one. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cloud/http/http_priv.h"

static int hang_up(struct lws *wsi, enum lws_close_status status, const char *why)
{
	unsigned char text[64];
	size_t len = strlen(why);

	memcpy(text, why, len);
	lws_close_reason(wsi, status, text, len);
	return -1;
}

/* Identifies again, now that the connection's own memory is there. */
static int on_filter(struct lws *wsi, struct http_ws *ws, struct http *http)
{
	struct http_incoming *in;
	int status;
	int r;

	in = http_incoming_read(wsi, &status);
	if (!in)
		return -1;
	r = api_identify(http->api, &in->request, &ws->principal);
	http_incoming_free(in);
	return r ? -1 : 0;
}

static int on_open(struct lws *wsi, struct http_ws *ws, struct http *http)
{
	int r;

	ws->wsi = wsi;
	buf_init(&ws->in, PUSH_MESSAGE_MAX);
	buf_init(&ws->out, HTTP_REPLY_MAX);
	ws->next = http->sockets;
	ws->link = &http->sockets;
	if (ws->next)
		ws->next->link = &ws->next;
	http->sockets = ws;
	r = push_client_open(http->push, &ws->principal, &ws->client);
	explicit_bzero(&ws->principal, sizeof(ws->principal));
	if (r)
		return hang_up(wsi, LWS_CLOSE_STATUS_UNEXPECTED_CONDITION,
			       "too many clients are connected");
	return 0;
}

static void on_closed(struct http_ws *ws)
{
	if (!ws->link)
		return;
	*ws->link = ws->next;
	if (ws->next)
		ws->next->link = ws->link;
	ws->link = NULL;
	push_client_close(ws->client);
	ws->client = NULL;
	buf_free(&ws->in);
	buf_free(&ws->out);
}

static int take_message(struct lws *wsi, struct http_ws *ws)
{
	int r;

	if (ws->discard)
		r = push_client_refuse(ws->client, "the message is too large");
	else if (ws->binary)
		r = push_client_refuse(ws->client, "messages are text");
	else
		r = push_client_receive(ws->client, ws->in.data ? ws->in.data : "", ws->in.len);
	buf_free(&ws->in);
	ws->discard = false;
	if (r)
		return hang_up(wsi, LWS_CLOSE_STATUS_POLICY_VIOLATION, "too many bad messages");
	if (push_client_wants(ws->client))
		lws_callback_on_writable(wsi);
	return 0;
}

static int on_receive(struct lws *wsi, struct http_ws *ws, const void *data, size_t len)
{
	if (!ws->client)
		return -1;
	if (lws_is_first_fragment(wsi)) {
		buf_free(&ws->in);
		ws->binary = lws_frame_is_binary(wsi) != 0;
	}
	if (!ws->discard)
		buf_append(&ws->in, data, len);
	ws->discard = ws->discard || ws->in.error;
	if (lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0)
		return take_message(wsi, ws);
	return 0;
}

static int send_part(struct lws *wsi, struct http_ws *ws)
{
	unsigned char chunk[LWS_PRE + HTTP_CHUNK];
	size_t len = ws->out.len - ws->sent;
	const bool first = ws->sent == 0;

	if (len > HTTP_CHUNK)
		len = HTTP_CHUNK;
	memcpy(chunk + LWS_PRE, ws->out.data + ws->sent, len);
	ws->sent += len;
	if (lws_write(wsi, chunk + LWS_PRE, len,
		      (enum lws_write_protocol)lws_write_ws_flags(LWS_WRITE_TEXT, first,
								  ws->sent == ws->out.len)) < 0)
		return -1;
	if (ws->sent == ws->out.len) {
		/* Large ones are rare: their memory is not kept for the next small one. */
		buf_free(&ws->out);
		ws->sent = 0;
	}
	return 0;
}

static int on_writeable(struct lws *wsi, struct http_ws *ws)
{
	int r;

	if (!ws->client)
		return -1;
	if (push_client_is_over(ws->client))
		return hang_up(wsi, LWS_CLOSE_STATUS_POLICY_VIOLATION, "the session is over");
	if (ws->out.len == 0) {
		r = push_client_next(ws->client, &ws->out);
		if (r <= 0) {
			if (r < 0)
				log_warning("no live update error=%s", strerror(-r));
			buf_free(&ws->out);
			return 0;
		}
	}
	if (send_part(wsi, ws))
		return -1;
	if (ws->out.len || push_client_wants(ws->client))
		lws_callback_on_writable(wsi);
	return 0;
}

int http_ws_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
		     size_t len)
{
	struct http_ws *ws = user;
	struct http *http;

	if (!wsi)
		return 0; /* of the context itself */
	http = lws_context_user(lws_get_context(wsi));
	switch (reason) {
	case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
		return on_filter(wsi, ws, http);
	case LWS_CALLBACK_ESTABLISHED:
		return on_open(wsi, ws, http);
	case LWS_CALLBACK_RECEIVE:
		return on_receive(wsi, ws, in, len);
	case LWS_CALLBACK_SERVER_WRITEABLE:
		return on_writeable(wsi, ws);
	case LWS_CALLBACK_CLOSED:
		on_closed(ws);
		return 0;
	default:
		return 0;
	}
}
