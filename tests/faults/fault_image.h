/* What may stand on a disk after its power was cut: a replay of its journal (fault_vfs.h).
 *
 * An image is moved forward through the journal and written out as a folder at any position, as often
 * as wanted: one run of a program gives every cut.
 */
#ifndef TESTS_FAULTS_FAULT_IMAGE_H
#define TESTS_FAULTS_FAULT_IMAGE_H

#include "tests/faults/fault_vfs.h"

struct fault_image;

/* At position 0: what was found on the disk by then is not there yet. The disk outlives it and may go on. */
int fault_image_create(const struct fault_disk *disk, struct fault_image **ret_image);
void fault_image_free(struct fault_image *image); /* NULL is accepted */

/* Moves to a position, forward only. */
void fault_image_advance(struct fault_image *image, int64_t position);
/* The same, while the card lies: no sync of this stretch does anything. */
void fault_image_advance_lying(struct fault_image *image, int64_t position);

enum fault_loss {
	FAULT_LOSE_UNSYNCED, /* nothing that was not synced is there */
	FAULT_LOSE_NOTHING,  /* all of it is: a killed process, or luck */
	FAULT_LOSE_SOME,     /* of unsynced changes a random half, in any combination (the cache was
				written back in any order); names as far as they came, in their order */
	FAULT_LOSE_TORN, /* the same, and writes end within: at a border of sectors, or anywhere in the
				last one */
};
#define FAULT_LOSSES 4
const char *fault_loss_name(enum fault_loss loss);

/* Writes the files into `folder`, which exists; those of earlier images and every -shm are removed
 * first, foreign files stay. `seed` chooses what is lost, `sector` is 512 or 4096. 0 or -errno. */
int fault_image_write(struct fault_image *image, enum fault_loss loss, uint64_t seed, int sector,
		      const char *folder);
/* How many changes are not synced now. */
int64_t fault_image_unsynced(const struct fault_image *image);

#endif
