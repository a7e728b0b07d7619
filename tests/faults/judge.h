/* Judges what is left of a story (story.h) after a cut, with the real core.
 *
 * The core of the story is played back to the moment of the cut: it has committed what was sent by then.
 * Then the spool is opened on what the cut has left, goes on, and sends all that it holds. What the core
 * says then of each batch that ever was is compared with what the spool had said of it.
 */
#ifndef TESTS_FAULTS_JUDGE_H
#define TESTS_FAULTS_JUDGE_H

#include "tests/faults/core.h"
#include "tests/faults/fault_image.h"
#include "tests/faults/story.h"

struct judge {
	struct story *story;
	struct core core; /* as of the moment `sent` says */
	size_t sent;      /* how many of the story's sends it has */
	char core_folder[FOLDER_SIZE], disk_folder[FOLDER_SIZE], young_folder[FOLDER_SIZE];
	char disk_path[FOLDER_SIZE + 16], young_path[FOLDER_SIZE + 16];
	/* Figures. A batch is counted in each cut in which it had been made. */
	int64_t cuts, batches, held, committed, lost, possible, beyond;
	int64_t set_aside;
	int64_t gaps,
		dated; /* open gaps that hold a batch, and of them those with both bounds in UTC */
	int64_t asked; /* cuts of which the core knew all only after it had asked for silent epochs */
};

void judge_begin(struct judge *judge, struct story *story);
void judge_end(struct judge *judge);

/* A cut of the power: `disk` stands where the power went, the young floor is gone, the machine boots. */
void judge_power(struct judge *judge, struct fault_image *disk, int64_t position,
		 enum fault_loss loss, uint64_t seed);
/* The process was killed before the change with this stamp; both floors are as they were. */
void judge_kill(struct judge *judge, struct fault_image *disk, struct fault_image *young,
		int64_t stamp);
/* A cut of the power on a card that has lied: of what came after the change `honest` nothing was synced,
 * whatever it said. */
void judge_lying(struct judge *judge, int64_t honest, int64_t position, enum fault_loss loss);
/* An old image of the card comes back at the end of the story. With `young` the machine has not booted
 * between. */
void judge_restored(struct judge *judge, struct fault_image *disk, int64_t position,
		    struct fault_image *young);

/* No cut: the story itself, its spool open and drained. `exact`: nothing but what the spool let go of by
 * a cap may be lost, and nothing may be in doubt. Without, the gateway is asked what became of epochs that
 * fell silent, for a day, and all that is not committed must be in some gap. Beyond telling is then only an epoch
 * whose every trace was in a file that was set aside, of which a notice told the operator. */
void judge_story(struct judge *judge, const char *what, bool exact);

#endif
