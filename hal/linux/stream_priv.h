/* The two kinds of stream behind stream_open(). */
#ifndef HAL_LINUX_STREAM_PRIV_H
#define HAL_LINUX_STREAM_PRIV_H

#include "hal/stream.h"

/* `path` names a serial device. */
int stream_serial_open(const char *path, unsigned baud, struct stream **ret_stream);

/* `target` is a numeric address:port or [v6]:port. */
int stream_tcp_open(const char *target, struct stream **ret_stream);
int stream_tcp_target_valid(const char *target);

#endif
