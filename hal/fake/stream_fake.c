#include "hal/fake/stream_fake.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/buf.h"

#define LIMIT ((size_t)16 << 20)

struct stream_fake {
	struct stream_opener opener;
	struct fake_stream *open; /* the opening that the device knows of */
	struct buf input;         /* given; read up to `input_at` */
	size_t input_at;
	struct buf written;
	stream_fake_fn *on_write;
	void *on_write_arg;
	size_t read_limit;
	size_t write_room;
	int fail_read, fail_write, fail_open, fail_baud;
	int ready;
	bool away;
	unsigned baud;
	unsigned opens;
	char address[128];
};

struct fake_stream {
	struct stream stream;
	struct stream_fake *fake; /* NULL once the device vanished */
	int fd;                   /* eventfd: readable while there is something to learn */
};

static struct fake_stream *stream_of(struct stream *stream)
{
	return (struct fake_stream *)stream;
}

/* Makes the descriptor say whether a read would tell anything. */
static void mark(struct fake_stream *stream)
{
	static const uint64_t one = 1;
	const struct stream_fake *fake = stream->fake;
	uint64_t count;

	if (read(stream->fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		abort(); /* a test that runs on would lie */
	if (fake && fake->input_at == fake->input.len && !fake->fail_read)
		return;
	if (write(stream->fd, &one, sizeof(one)) != (ssize_t)sizeof(one))
		abort();
}

static void mark_open(struct stream_fake *fake)
{
	if (fake->open)
		mark(fake->open);
}

/* The error that was ordered, once. */
static int take_error(int *error)
{
	int r = *error;

	*error = 0;
	return r;
}

static ssize_t fake_read(struct stream *stream, void *data, size_t len)
{
	struct stream_fake *fake = stream_of(stream)->fake;
	size_t there;
	int r;

	if (!fake)
		return -ENODEV;
	if (fake->ready < 0)
		return fake->ready;
	r = take_error(&fake->fail_read);
	if (r < 0) {
		mark_open(fake);
		return r;
	}
	there = fake->input.len - fake->input_at;
	if (!there)
		return -EAGAIN;
	if (len > there)
		len = there;
	if (fake->read_limit && len > fake->read_limit)
		len = fake->read_limit;
	memcpy(data, fake->input.data + fake->input_at, len);
	fake->input_at += len;
	if (fake->input_at == fake->input.len) {
		buf_reset(&fake->input);
		fake->input_at = 0;
	}
	mark_open(fake);
	return (ssize_t)len;
}

static ssize_t fake_write(struct stream *stream, const void *data, size_t len)
{
	struct stream_fake *fake = stream_of(stream)->fake;
	int r;

	if (!fake)
		return -ENODEV;
	if (fake->ready < 0)
		return fake->ready;
	r = take_error(&fake->fail_write);
	if (r < 0)
		return r;
	if (!fake->write_room)
		return -EAGAIN;
	if (len > fake->write_room)
		len = fake->write_room;
	if (fake->write_room != SIZE_MAX)
		fake->write_room -= len;
	buf_append(&fake->written, data, len);
	if (fake->on_write)
		fake->on_write(fake, data, len, fake->on_write_arg);
	return (ssize_t)len;
}

static int fake_set_baud(struct stream *stream, unsigned baud)
{
	struct stream_fake *fake = stream_of(stream)->fake;
	int r;

	if (!fake)
		return -ENODEV;
	r = take_error(&fake->fail_baud);
	if (!r)
		fake->baud = baud;
	return r;
}

static int fake_fd(const struct stream *stream)
{
	return ((const struct fake_stream *)stream)->fd;
}

static int fake_ready(struct stream *stream)
{
	const struct stream_fake *fake = stream_of(stream)->fake;

	return fake ? fake->ready : -ENODEV;
}

static void fake_close(struct stream *stream)
{
	struct fake_stream *open = stream_of(stream);

	if (open->fake)
		open->fake->open = NULL;
	close(open->fd);
	free(open);
}

static const struct stream_ops fake_ops = {
	.read = fake_read,
	.write = fake_write,
	.set_baud = fake_set_baud,
	.fd = fake_fd,
	.ready = fake_ready,
	.close = fake_close,
};

static int fake_open(struct stream_opener *opener, const char *address, unsigned baud,
		     struct stream **ret_stream)
{
	struct stream_fake *fake = (struct stream_fake *)opener;
	struct fake_stream *stream;
	int r = take_error(&fake->fail_open);

	snprintf(fake->address, sizeof(fake->address), "%s", address);
	if (r < 0)
		return r;
	if (fake->away)
		return -ENOENT;
	if (fake->open)
		return -EBUSY;
	stream = calloc(1, sizeof(*stream));
	if (!stream)
		return -ENOMEM;
	stream->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (stream->fd < 0) {
		r = -errno;
		free(stream);
		return r;
	}
	stream->stream.ops = &fake_ops;
	stream->fake = fake;
	fake->open = stream;
	fake->opens++;
	fake->baud = baud;
	mark(stream);
	*ret_stream = &stream->stream;
	return 0;
}

int stream_fake_create(struct stream_fake **ret_fake)
{
	struct stream_fake *fake = calloc(1, sizeof(*fake));

	if (!fake)
		return -ENOMEM;
	fake->opener.open = fake_open;
	fake->write_room = SIZE_MAX;
	buf_init(&fake->input, LIMIT);
	buf_init(&fake->written, LIMIT);
	*ret_fake = fake;
	return 0;
}

void stream_fake_destroy(struct stream_fake *fake)
{
	if (!fake)
		return;
	buf_free(&fake->input);
	buf_free(&fake->written);
	free(fake);
}

struct stream_opener *stream_fake_opener(struct stream_fake *fake)
{
	return &fake->opener;
}

const char *stream_fake_address(const struct stream_fake *fake)
{
	return fake->address;
}

unsigned stream_fake_opens(const struct stream_fake *fake)
{
	return fake->opens;
}

int stream_fake_is_open(const struct stream_fake *fake)
{
	return fake->open != NULL;
}

int stream_fake_give(struct stream_fake *fake, const void *data, size_t len)
{
	buf_append(&fake->input, data, len);
	mark_open(fake);
	return fake->input.error ? -ENOMEM : 0;
}

int stream_fake_give_text(struct stream_fake *fake, const char *text)
{
	return stream_fake_give(fake, text, strlen(text));
}

const char *stream_fake_written(struct stream_fake *fake, size_t *ret_len)
{
	const char *text = buf_text(&fake->written);

	if (text && ret_len)
		*ret_len = fake->written.len;
	return text;
}

void stream_fake_forget_written(struct stream_fake *fake)
{
	buf_reset(&fake->written);
}

void stream_fake_on_write(struct stream_fake *fake, stream_fake_fn *fn, void *arg)
{
	fake->on_write = fn;
	fake->on_write_arg = arg;
}

void stream_fake_limit_read(struct stream_fake *fake, size_t len)
{
	fake->read_limit = len;
}

void stream_fake_limit_write(struct stream_fake *fake, size_t room)
{
	fake->write_room = room;
}

void stream_fake_fail_read(struct stream_fake *fake, int error)
{
	fake->fail_read = error;
	mark_open(fake);
}

void stream_fake_fail_write(struct stream_fake *fake, int error)
{
	fake->fail_write = error;
}

void stream_fake_fail_open(struct stream_fake *fake, int error)
{
	fake->fail_open = error;
}

void stream_fake_fail_baud(struct stream_fake *fake, int error)
{
	fake->fail_baud = error;
}

void stream_fake_set_ready(struct stream_fake *fake, int ready)
{
	fake->ready = ready;
}

void stream_fake_vanish(struct stream_fake *fake)
{
	struct fake_stream *open = fake->open;

	fake->away = true;
	buf_reset(&fake->input);
	fake->input_at = 0;
	fake->open = NULL;
	if (!open)
		return;
	open->fake = NULL;
	mark(open);
}

void stream_fake_return(struct stream_fake *fake)
{
	fake->away = false;
}

unsigned stream_fake_baud(const struct stream_fake *fake)
{
	return fake->baud;
}
