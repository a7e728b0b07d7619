/* A byte stream to a piece of hardware: a serial line, a TCP connection, a Bluetooth serial port.
 *
 * What a port owes: open, read and write never block; a device that goes away (USB unplug, pty
 * closed, peer reset) is told by read or write as -ENODEV, once or for ever, and the stream is then
 * good only for closing; the caller opens a new one when it wants to try again, and a device that
 * is back under the same name opens. The caller's thread owns the stream.
 */
#ifndef HAL_STREAM_H
#define HAL_STREAM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct stream;

struct stream_ops {
	/* Up to `len` bytes that are there now. Returns how many (> 0), -EAGAIN when none are,
	 * -ENODEV when the device is gone, -errno otherwise. */
	ssize_t (*read)(struct stream *stream, void *data, size_t len);
	/* Writes what fits now. Returns how many (> 0), -EAGAIN, -ENODEV or -errno. */
	ssize_t (*write)(struct stream *stream, const void *data, size_t len);
	/* Changes the line's speed at once: what is still to be sent should be sent before. 0;
	 * -ENOTSUP where there is no such thing; -EINVAL for 0; -ERANGE where the line cannot do it
	 * (more than 2.5 % off); -errno. */
	int (*set_baud)(struct stream *stream, unsigned baud);
	/* A descriptor for the event loop, owned by the stream. Readable: data or end. Writable: also
	 * the end of connecting. */
	int (*fd)(const struct stream *stream);
	/* Is a connection still being made? 0: ready, -EAGAIN: connecting, -errno: failed, as
	 * stream_open() says it. */
	int (*ready)(struct stream *stream);
	/* Frees it and closes what it holds. */
	void (*close)(struct stream *stream);
};

struct stream {
	const struct stream_ops *ops;
};

static inline ssize_t stream_read(struct stream *stream, void *data, size_t len)
{
	return stream->ops->read(stream, data, len);
}
static inline ssize_t stream_write(struct stream *stream, const void *data, size_t len)
{
	return stream->ops->write(stream, data, len);
}
static inline int stream_set_baud(struct stream *stream, unsigned baud)
{
	return stream->ops->set_baud(stream, baud);
}
static inline int stream_fd(const struct stream *stream)
{
	return stream->ops->fd(stream);
}
static inline int stream_ready(struct stream *stream)
{
	return stream->ops->ready(stream);
}
static inline void stream_close(struct stream *stream)
{
	if (stream)
		stream->ops->close(stream);
}

/* Opens an address (hal/linux provides it):
 *	serial:/dev/ttyUSB0         8N1, raw, no flow control, at `baud` (any rate: termios2 BOTHER)
 *	tcp:192.168.0.10:35000      connecting goes on in the background, see ready()
 *	tcp:[fd00::10]:35000        addresses are numbers: looking up a name would block
 *	rfcomm:00:1D:A5:68:98:8B    a Bluetooth serial port, as tcp; channel 1
 *	rfcomm:00:1D:A5:68:98:8B/2  another channel (1..30)
 * `baud` is of the serial line alone. The device is opened for this process alone (TIOCEXCL) where it
 * can be. Returns 0, or, here or later by ready():
 *	-EINVAL        an address of none of these forms
 *	-ENOENT, -ENODEV  the device is not there
 *	-EACCES        it may not be opened; Bluetooth: it is not paired, or its PIN was wrong
 *	-EBUSY         another program has it; Bluetooth: another connection
 *	-ERANGE        the line cannot do the speed
 *	-ECONNREFUSED  nobody listens at the port; Bluetooth: the device does not serve that channel
 *	-EHOSTDOWN     Bluetooth: it does not answer, it is out of reach or without power
 *	-EHOSTUNREACH  there is no way to it; Bluetooth: this machine has no controller that is on
 *	-EAFNOSUPPORT  this kernel has no Bluetooth, or this process may not use it
 *	-errno
 * Free with stream_close(). */
int stream_open(const char *address, unsigned baud, struct stream **ret_stream);

/* What an address looks like, for people. */
#define STREAM_ADDRESS_FORMS "serial:/dev/NAME, tcp:ADDRESS:PORT or rfcomm:ADDRESS"

/* True where the address has a form that stream_open() knows (rfcomm: where it was built in). */
int stream_address_valid(const char *address);

/* A way of opening, so that tests put hal/fake under what opens streams. Same contract as
 * stream_open(). */
struct stream_opener {
	int (*open)(struct stream_opener *opener, const char *address, unsigned baud,
		    struct stream **ret_stream);
};

/* The one that calls stream_open(). Never freed, any thread. */
struct stream_opener *stream_opener_linux(void);

#endif
