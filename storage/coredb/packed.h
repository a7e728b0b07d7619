/* Ascending numbers as bytes: LEB128 varints of the differences. */
#ifndef STORAGE_COREDB_PACKED_H
#define STORAGE_COREDB_PACKED_H

#include "base/buf.h"
#include "storage/coredb/transfer.h"

/* Appends; the buffer's error is sticky. */
void packed_put_ranges(struct buf *buf, const struct coredb_ranges *ranges);
void packed_put_numbers(struct buf *buf, const int64_t *numbers, size_t count);

/* Read; 0, -ENOMEM, or -EUCLEAN where the bytes are none of ours. `ret` is replaced. */
int packed_get_ranges(const void *data, size_t len, struct coredb_ranges *ret);
/* At most `cap` numbers; *ret_count is how many. */
int packed_get_numbers(const void *data, size_t len, int64_t *ret, size_t cap, size_t *ret_count);

#endif
