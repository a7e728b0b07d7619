/* A growing byte buffer with a limit; the error is sticky, so that a writer checks once at its end. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data; /* owned; not NUL-terminated unless buf_text() was asked */
	size_t len;
	size_t cap;
	size_t limit; /* most bytes it may hold */
	int error; /* 0, -ENOMEM, or -EMSGSIZE when the limit was hit; sticky until buf_reset() */
};

void buf_init(struct buf *buf, size_t limit);
/* Frees the memory; the buffer may be used again. */
void buf_free(struct buf *buf);
/* Empties it, keeps the memory, clears the error. */
void buf_reset(struct buf *buf);

/* Each appends nothing when the buffer already failed. */
void buf_append(struct buf *buf, const void *data, size_t len);
void buf_puts(struct buf *buf, const char *text);
void buf_putc(struct buf *buf, char c);
__attribute__((format(printf, 2, 3))) void buf_printf(struct buf *buf, const char *fmt, ...);

/* Room for `len` more bytes: returns where to write, then call buf_commit(); NULL on failure. */
char *buf_reserve(struct buf *buf, size_t len);
void buf_commit(struct buf *buf, size_t len);

/* The contents as a C string, NUL-terminated in place; NULL when the buffer failed. */
const char *buf_text(struct buf *buf);

#endif
