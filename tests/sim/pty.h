/* A pty under a stable name, as a USB serial device has one. */
#ifndef SIM_PTY_H
#define SIM_PTY_H

/* Opens a pair, raw, and points the symbolic link `link` at its other end (what stands there is
 * replaced). *ret_keeper is that end, held open so that a reader may come and go. Both are the caller's
 * to close. Returns 0 or -errno. */
int pty_open(const char *link, int *ret_master, int *ret_keeper);

#endif
