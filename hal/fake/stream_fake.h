/* A device in memory behind the ops of hal/stream.h, for tests: it is given bytes to be read, shows
 * what was written to it, answers by a script, fails and vanishes on command.
 *
 * The fake is the device, a stream is one opening of it: the device outlives its streams, may be
 * opened again after it vanished and came back, and like a serial line has one opener at a time. One
 * thread.
 */
#ifndef HAL_FAKE_STREAM_FAKE_H
#define HAL_FAKE_STREAM_FAKE_H

#include <stddef.h>

#include "hal/stream.h"

struct stream_fake;

/* Sees each write of the code under test, usually to answer with stream_fake_give(). */
typedef void stream_fake_fn(struct stream_fake *fake, const void *data, size_t len, void *arg);

/* A device that is there and answers nothing. Returns 0 or -errno. */
int stream_fake_create(struct stream_fake **ret_fake);
/* Its streams must be closed before. NULL is accepted. */
void stream_fake_destroy(struct stream_fake *fake);

/* Opens the device whatever the address says. -ENOENT while it is away, -EBUSY while open, or what
 * stream_fake_fail_open() asked for. Owned by the fake. */
struct stream_opener *stream_fake_opener(struct stream_fake *fake);
/* The address of the last opening that was tried, "" before; as long as the fake. */
const char *stream_fake_address(const struct stream_fake *fake);
/* How many openings succeeded, and whether the device is open now. */
unsigned stream_fake_opens(const struct stream_fake *fake);
int stream_fake_is_open(const struct stream_fake *fake);

/* Bytes for the code under test to read. Returns 0 or -ENOMEM. */
int stream_fake_give(struct stream_fake *fake, const void *data, size_t len);
int stream_fake_give_text(struct stream_fake *fake, const char *text);
/* Everything written so far as a C string, until stream_fake_forget_written(). NULL: out of memory. */
const char *stream_fake_written(struct stream_fake *fake, size_t *ret_len);
void stream_fake_forget_written(struct stream_fake *fake);
/* `fn` NULL: nobody answers. */
void stream_fake_on_write(struct stream_fake *fake, stream_fake_fn *fn, void *arg);

/* At most so many bytes a read (0: no limit), and so many in all that writes take before they say
 * -EAGAIN (SIZE_MAX: no limit). */
void stream_fake_limit_read(struct stream_fake *fake, size_t len);
void stream_fake_limit_write(struct stream_fake *fake, size_t room);

/* The next read, write, opening or change of speed returns `error` (negative), once. */
void stream_fake_fail_read(struct stream_fake *fake, int error);
void stream_fake_fail_write(struct stream_fake *fake, int error);
void stream_fake_fail_open(struct stream_fake *fake, int error);
void stream_fake_fail_baud(struct stream_fake *fake, int error);

/* What ready() says from now on: 0, -EAGAIN (reads and writes then say so too), or -errno. */
void stream_fake_set_ready(struct stream_fake *fake, int ready);

/* Unplugged: the open stream says -ENODEV for ever, what was not read is lost. */
void stream_fake_vanish(struct stream_fake *fake);
/* Plugged in again: a new opening succeeds. */
void stream_fake_return(struct stream_fake *fake);

/* The speed that was last asked for, 0 before. */
unsigned stream_fake_baud(const struct stream_fake *fake);

#endif
