/* Files that are small enough to be read at once: configuration, profiles, maps; secrets; names that
 * are to last. Stateless; any thread.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stddef.h>

/* Reads a whole file of at most `most` bytes. Returns 0 with *ret_text (malloc'ed, the caller frees it)
 * and *ret_len, a NUL behind the last byte; -EFBIG for a longer one, -ENOMEM, -errno. A FIFO that
 * nobody writes to is empty, and does not hold the program. */
int file_read(const char *path, size_t most, char **ret_text, size_t *ret_len);

/* Opens a secret for reading: a file that only its owner may read. Returns 0 with *ret_fd, which the
 * caller closes; -EPERM where others may, too; -EINVAL for what is no file, -errno. `problem` (may be
 * NULL) then says which file and what is to be done. */
int file_open_secret(const char *path, int *ret_fd, char *problem, size_t problem_size);

/* Once a file was made, renamed or removed as `path`, that lasts over a power cut when its folder is on
 * disk: this syncs the folder. Returns 0, -ENOMEM or -errno. */
int file_sync_name(const char *path);

#endif
