/* Files of the page that are embedded in the program. */
#ifndef CLOUD_HTTP_ASSETS_H
#define CLOUD_HTTP_ASSETS_H

#include <stddef.h>

struct http_asset {
	const char *path; /* "/app.js"; "/" for the page itself */
	const char *type; /* media type */
	const char *etag; /* with its quotes */
	const unsigned char *data;
	size_t len;
};

struct http_assets {
	const struct http_asset *files;
	size_t count;
};

/* Made by the build where CONFIG_DASHBOARD is on (module cloud_web). */
extern const struct http_assets web_assets;

#endif
