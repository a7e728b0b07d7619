/* What systemd is told (sd_notify(3)): a datagram to the socket that NOTIFY_SOCKET names. */
#ifndef BASE_NOTIFY_H
#define BASE_NOTIFY_H

#include <stdint.h>

/* Sends "READY=1", "STATUS=...", "WATCHDOG=1", "STOPPING=1" ...; nothing where nobody listens.
 * Returns 1 sent, 0 nobody listens, -errno. */
int notify_send(const char *state);

/* How often WATCHDOG=1 is wanted at least, in microseconds; 0: not at all. */
int64_t notify_watchdog_us(void);

#endif
