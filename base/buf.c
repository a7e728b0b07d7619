#include "base/buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 256

void buf_init(struct buf *buf, size_t limit)
{
	*buf = (struct buf){.limit = limit};
}

void buf_free(struct buf *buf)
{
	free(buf->data);
	buf_init(buf, buf->limit);
}

void buf_reset(struct buf *buf)
{
	buf->len = 0;
	buf->error = 0;
}

/* Makes the memory at least `need` bytes; doubles, so that appending stays linear. */
static int grow(struct buf *buf, size_t need)
{
	size_t cap = buf->cap ? buf->cap : FIRST_CAP;
	char *data;

	if (need <= buf->cap)
		return 0;
	while (cap < need) {
		if (cap > SIZE_MAX / 2) {
			cap = need;
			break;
		}
		cap *= 2;
	}
	data = realloc(buf->data, cap);
	if (!data) {
		buf->error = -ENOMEM;
		return buf->error;
	}
	buf->data = data;
	buf->cap = cap;
	return 0;
}

char *buf_reserve(struct buf *buf, size_t len)
{
	if (buf->error)
		return NULL;
	if (len > buf->limit - buf->len) {
		buf->error = -EMSGSIZE;
		return NULL;
	}
	/* One byte more than asked, so that even a full buffer can be given its NUL. */
	if (buf->len + len == SIZE_MAX) {
		buf->error = -ENOMEM;
		return NULL;
	}
	if (grow(buf, buf->len + len + 1) < 0)
		return NULL;
	return buf->data + buf->len;
}

void buf_commit(struct buf *buf, size_t len)
{
	buf->len += len;
}

void buf_append(struct buf *buf, const void *data, size_t len)
{
	char *room = buf_reserve(buf, len);

	if (!room || !len)
		return;
	memcpy(room, data, len);
	buf_commit(buf, len);
}

void buf_puts(struct buf *buf, const char *text)
{
	buf_append(buf, text, strlen(text));
}

void buf_putc(struct buf *buf, char c)
{
	buf_append(buf, &c, 1);
}

void buf_printf(struct buf *buf, const char *fmt, ...)
{
	va_list args;
	char *room;
	int len;

	if (buf->error)
		return;
	va_start(args, fmt);
	len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (len < 0) {
		buf->error = -EMSGSIZE; /* past INT_MAX */
		return;
	}
	room = buf_reserve(buf, (size_t)len);
	if (!room)
		return;
	va_start(args, fmt);
	/* The byte beyond the reservation takes the NUL. */
	vsnprintf(room, (size_t)len + 1, fmt, args);
	va_end(args);
	buf_commit(buf, (size_t)len);
}

const char *buf_text(struct buf *buf)
{
	char *room = buf_reserve(buf, 0);

	if (!room)
		return NULL;
	*room = '\0';
	return buf->data;
}
