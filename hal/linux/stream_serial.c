/* Serial lines and ptys. The kernel's own termios2 instead of the C library's termios: only it takes
 * any speed (BOTHER), and the two cannot be included together. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <asm/termbits.h>

#include "hal/linux/stream_priv.h"

/* Majors of Unix98 pty slaves, admin-guide/devices.txt of the kernel. */
#define PTY_SLAVE_MAJOR_FIRST 136
#define PTY_SLAVE_MAJOR_LAST 143

/* How far the driver's rate may be off, in 1/1000: a UART samples the middle of a bit, ten bits after
 * the start edge, so about 5 % for both ends together. */
#define BAUD_TOLERANCE 25

struct serial {
	struct stream stream;
	int fd;
	int gone;
};

static struct serial *serial_of(struct stream *stream)
{
	return (struct serial *)stream;
}

/* A device that vanished says EIO (hung up), ENXIO or ENODEV (driver gone). */
static int is_gone(int error)
{
	return error == EIO || error == ENXIO || error == ENODEV || error == EPIPE;
}

static ssize_t result_of(struct serial *serial, ssize_t n)
{
	int error = errno;

	if (n > 0)
		return n;
	if (n < 0 && (error == EAGAIN || error == EINTR))
		return -EAGAIN;
	if (n < 0 && !is_gone(error))
		return -error;
	serial->gone = 1;
	return -ENODEV;
}

static ssize_t serial_read(struct stream *stream, void *data, size_t len)
{
	struct serial *serial = serial_of(stream);

	if (serial->gone)
		return -ENODEV;
	if (!len)
		return -EINVAL;
	/* VMIN is 1: nothing there is EAGAIN, and 0 is the end. */
	return result_of(serial, read(serial->fd, data, len));
}

static ssize_t serial_write(struct stream *stream, const void *data, size_t len)
{
	struct serial *serial = serial_of(stream);
	ssize_t n;

	if (serial->gone)
		return -ENODEV;
	if (!len)
		return -EINVAL;
	n = write(serial->fd, data, len);
	return n == 0 ? -EAGAIN : result_of(serial, n);
}

static int rate_is_near(unsigned got, unsigned want)
{
	unsigned long long difference = got > want ? got - want : want - got;

	return difference * 1000 <= (unsigned long long)want * BAUD_TOLERANCE;
}

/* Puts the line into its one mode: 8N1, raw, no flow control, modem lines ignored. */
static int configure(int fd, unsigned baud)
{
	struct termios2 mode;

	if (!baud)
		return -EINVAL; /* would mean: hang up */
	if (ioctl(fd, TCGETS2, &mode) < 0)
		return -errno;
	mode.c_iflag = IGNBRK;
	mode.c_oflag = 0;
	mode.c_lflag = 0;
	mode.c_cflag &= ~(tcflag_t)(CSIZE | CSTOPB | PARENB | CRTSCTS | CBAUD | CIBAUD);
	mode.c_cflag |= CS8 | CREAD | CLOCAL | BOTHER | (tcflag_t)BOTHER << IBSHIFT;
	mode.c_ispeed = baud;
	mode.c_ospeed = baud;
	mode.c_cc[VMIN] = 1;
	mode.c_cc[VTIME] = 0;
	/* TCSETS2, not the one that drains first: nothing here may wait. */
	if (ioctl(fd, TCSETS2, &mode) < 0)
		return -errno;
	/* Drivers round, or quietly keep what they had. */
	if (ioctl(fd, TCGETS2, &mode) < 0)
		return -errno;
	return rate_is_near(mode.c_ospeed, baud) ? 0 : -ERANGE;
}

static int serial_set_baud(struct stream *stream, unsigned baud)
{
	struct serial *serial = serial_of(stream);
	int r;

	if (serial->gone)
		return -ENODEV;
	r = configure(serial->fd, baud);
	if (r < 0 && is_gone(-r)) {
		serial->gone = 1;
		return -ENODEV;
	}
	return r;
}

static int serial_fd(const struct stream *stream)
{
	return ((const struct serial *)stream)->fd;
}

static int serial_ready(struct stream *stream)
{
	return serial_of(stream)->gone ? -ENODEV : 0;
}

static void serial_close(struct stream *stream)
{
	struct serial *serial = serial_of(stream);

	close(serial->fd); /* frees the lock too */
	free(serial);
}

static const struct stream_ops serial_ops = {
	.read = serial_read,
	.write = serial_write,
	.set_baud = serial_set_baud,
	.fd = serial_fd,
	.ready = serial_ready,
	.close = serial_close,
};

static int is_pty(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && major(st.st_rdev) >= PTY_SLAVE_MAJOR_FIRST &&
	       major(st.st_rdev) <= PTY_SLAVE_MAJOR_LAST;
}

/* Keeps other processes off. The lock also stops root, whom TIOCEXCL lets through. A pty gets the
 * lock only: its TIOCEXCL would outlive a killed process for as long as the other end is open. */
static int claim(int fd)
{
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	if (!is_pty(fd) && ioctl(fd, TIOCEXCL) < 0)
		return -errno;
	return 0;
}

int stream_serial_open(const char *path, unsigned baud, struct stream **ret_stream)
{
	struct serial *serial = calloc(1, sizeof(*serial));
	int r;

	if (!serial)
		return -ENOMEM;
	serial->stream.ops = &serial_ops;
	/* O_NONBLOCK: do not wait for a carrier. O_NOCTTY: its hang-up is no signal to us. */
	serial->fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (serial->fd < 0) {
		r = is_gone(errno) ? -ENODEV : -errno;
		goto fail;
	}
	r = claim(serial->fd);
	if (!r)
		r = configure(serial->fd, baud);
	if (r < 0) {
		if (is_gone(-r))
			r = -ENODEV;
		close(serial->fd);
		goto fail;
	}
	*ret_stream = &serial->stream;
	return 0;
fail:
	free(serial);
	return r;
}
