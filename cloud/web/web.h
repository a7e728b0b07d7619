/* The dashboard's files, embedded in the program. */
#ifndef CLOUD_WEB_WEB_H
#define CLOUD_WEB_WEB_H

#include <stddef.h>

/* A file of the page. Constant, lives as long as the program; any thread may read it. */
struct web_file {
	const char *path; /* as in a URL: "/index.html" */
	const char *type; /* its Content-Type */
	const char *etag; /* quoted, as a header carries it; changes when the bytes do */
	const unsigned char *data;
	size_t size;
};

/* The file of a URL's path of `len` bytes (without a query); "/" is "/index.html". NULL where there
 * is none. */
const struct web_file *web_find(const char *path, size_t len);

#endif
