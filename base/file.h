/* Files that are small enough to be read at once: configuration, profiles, maps. Stateless; any
 * thread.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stddef.h>

/* Reads a whole file of at most `most` bytes. Returns 0 with *ret_text (malloc'ed, the caller frees it)
 * and *ret_len, a NUL behind the last byte; -EFBIG for a longer one, -ENOMEM, -errno. A FIFO that
 * nobody writes to is empty, and does not hold the program. */
int file_read(const char *path, size_t most, char **ret_text, size_t *ret_len);

#endif
