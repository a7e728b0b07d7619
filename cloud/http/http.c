#include "cloud/http/http.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cloud/http/http_priv.h"

#define TICK_WATCHED_US 100000
#define TICK_IDLE_US 1000000

static const struct lws_protocols protocols[] = {
	{.name = "http", .callback = http_callback, .per_session_data_size = HTTP_CONNECTION_SIZE},
	{.name = HTTP_PROTOCOL_WS,
	 .callback = http_ws_callback,
	 .per_session_data_size = sizeof(struct http_ws),
	 .rx_buffer_size = 4096},
	{.name = NULL},
};

/* A reader that does not answer pings is gone, whatever TCP believes. */
static const lws_retry_bo_t idle_policy = {.secs_since_valid_ping = 30,
					   .secs_since_valid_hangup = 60};

/* What the library calls an error is nearly always a client's: no reason to wake anybody. */
static void on_log(int level, const char *line)
{
	const int len = (int)strcspn(line, "\r\n");

	if (level & LLL_ERR)
		log_info("libwebsockets: %.*s", len, line);
	else
		log_debug("libwebsockets: %.*s", len, line);
}

static void tick(struct http *http)
{
	int r;

	atomic_store(&http->config.status->http_seen_us, clock_mono_us(http->config.clock));
	r = push_tick(http->push);
	if (r && r != http->tick_error)
		log_warning("live updates cannot be read error=%s", strerror(-r));
	http->tick_error = r;
	for (struct http_ws *ws = http->sockets; ws; ws = ws->next) {
		if (ws->client &&
		    (push_client_is_over(ws->client) || push_client_wants(ws->client)))
			lws_callback_on_writable(ws->wsi);
	}
}

static void on_tick(struct lws_sorted_usec_list *sul)
{
	struct http *http = lws_container_of(sul, struct http, tick);

	tick(http);
	lws_sul_schedule(http->context, 0, sul, on_tick,
			 push_is_watched(http->push) ? TICK_WATCHED_US : TICK_IDLE_US);
}

static void *run(void *arg)
{
	struct http *http = arg;
	int r = 0;

	lws_sul_schedule(http->context, 0, &http->tick, on_tick, 1);
	while (!atomic_load(&http->stop) && r >= 0)
		r = lws_service(http->context, 0);
	if (r < 0)
		log_error("the http server has ended by itself");
	return NULL;
}

/* "localhost" is no interface to the library. */
static const char *interface_of(const char *host)
{
	if (host[0] == '\0')
		return NULL;
	return strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
}

static int listen_on(struct http *http, char *error, size_t error_size)
{
	const struct http_config *config = &http->config;
	const size_t most = config->connections ? config->connections : HTTP_CONNECTIONS_MAX;
	struct lws_context_creation_info info;
	struct lws_vhost *vhost;

	memset(&info, 0, sizeof(info));
	info.user = http;
	info.protocols = protocols;
	info.port = config->port;
	info.iface = interface_of(config->host);
	info.server_string = "freshet";
	info.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
		       LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND | LWS_SERVER_OPTION_VALIDATE_UTF8;
	if (!strchr(config->host, ':') && config->host[0])
		info.options |= LWS_SERVER_OPTION_DISABLE_IPV6;
	info.max_http_header_data = HTTP_HEAD_MAX;
	info.max_http_header_pool = (unsigned short)(most < 128 ? most : 128);
	info.timeout_secs = HTTP_REQUEST_S;
	info.timeout_secs_ah_idle = HTTP_REQUEST_S;
	info.keepalive_timeout = HTTP_IDLE_S;
	info.fd_limit_per_thread = (unsigned)most + 8; /* and what the library needs itself */
	info.retry_and_idle_policy = &idle_policy;
	info.pt_serv_buf_size = HTTP_CHUNK;
	lws_set_log_level(LLL_ERR | LLL_WARN, on_log);
	http->context = lws_create_context(&info);
	if (!http->context) {
		snprintf(error, error_size, "libwebsockets cannot be set up");
		return -ENOMEM;
	}
	vhost = lws_create_vhost(http->context, &info);
	if (!vhost) {
		snprintf(error, error_size, "cannot listen on %s port %u: is it in use?",
			 config->host[0] ? config->host : "any address", config->port);
		return -EADDRINUSE;
	}
	http->port = (uint16_t)lws_get_vhost_listen_port(vhost);
	return 0;
}

/* Signals belong to the main thread. */
static int start_thread(struct http *http)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	r = pthread_sigmask(SIG_SETMASK, &all, &old);
	if (r)
		return -r;
	r = pthread_create(&http->thread, NULL, run, http);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r)
		return -r;
	http->running = true;
	(void)pthread_setname_np(http->thread, "http");
	return 0;
}

int http_start(const struct http_config *config, struct http **ret_http, char *error,
	       size_t error_size)
{
	const struct api_config api = {.database_url = config->database_url,
				       .clock = config->clock,
				       .status = config->status,
				       .file = config->file};
	struct http *http = calloc(1, sizeof(*http));
	int r;

	if (!http) {
		snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	http->config = *config;
	r = api_create(&api, &http->api, error, error_size);
	if (!r) {
		r = push_create(http->api, config->live, &http->push);
		if (r)
			snprintf(error, error_size, "out of memory");
	}
	if (!r)
		r = listen_on(http, error, error_size);
	if (!r) {
		r = start_thread(http);
		if (r)
			snprintf(error, error_size, "the thread cannot be made");
	}
	if (r) {
		http_stop(http);
		return r;
	}
	*ret_http = http;
	return 0;
}

void http_stop(struct http *http)
{
	if (!http)
		return;
	atomic_store(&http->stop, true);
	if (http->running) {
		lws_cancel_service(http->context);
		(void)pthread_join(http->thread, NULL);
	}
	/* Closes the connections, which give their clients back to push. */
	if (http->context)
		lws_context_destroy(http->context);
	push_destroy(http->push);
	api_destroy(http->api);
	free(http);
}

uint16_t http_port(const struct http *http)
{
	return http->port;
}
