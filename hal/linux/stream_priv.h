/* The kinds of stream behind stream_open(). */
#ifndef HAL_LINUX_STREAM_PRIV_H
#define HAL_LINUX_STREAM_PRIV_H

#include <sys/socket.h>

#include "hal/stream.h"

/* `path` names a serial device. */
int stream_serial_open(const char *path, unsigned baud, struct stream **ret_stream);

/* `target` is a numeric address:port or [v6]:port. */
int stream_tcp_open(const char *target, struct stream **ret_stream);
int stream_tcp_target_valid(const char *target);

/* `target` is AA:BB:CC:DD:EE:FF or AA:BB:CC:DD:EE:FF/CHANNEL. */
int stream_rfcomm_open(const char *target, struct stream **ret_stream);
int stream_rfcomm_target_valid(const char *target);

/* Makes a stream of a non-blocking socket that connects to `address`, in the background where that
 * takes time. Takes over `fd`, also after an error. `error_of` translates an error of connecting
 * (positive both ways). Returns 0 or -errno. */
int stream_socket_connect(int fd, const struct sockaddr *address, socklen_t len,
			  int (*error_of)(int error), struct stream **ret_stream);

#endif
