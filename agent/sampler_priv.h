/* What the files of the sampler share: sampler.c takes readings and says what is to be told and when,
 * sampler_seal.c makes records and batches of it. */
#ifndef AGENT_SAMPLER_PRIV_H
#define AGENT_SAMPLER_PRIV_H

#include "agent/sampler.h"
#include "base/buf.h"

#define SAMPLER_LOCATION_FIRST MODEL_FIELD_LATITUDE
#define SAMPLER_LOCATION_LAST MODEL_FIELD_LOCATION_STATUS
#define SAMPLER_CLASS_COUNT 3 /* sample, state, alarm: the ledger is the spool's own */

/* Why a field goes into a record to come. */
enum sampler_wait {
	SAMPLER_WAIT_NOT,
	SAMPLER_WAIT_BEAT,   /* unchanged, stated again at track.beat_us */
	SAMPLER_WAIT_HELD,   /* changed, but told a moment ago */
	SAMPLER_WAIT_CHANGE, /* changed: within the batch's age */
};

struct track_field {
	int64_t read_us; /* when the value in track.known was observed */
	int64_t told_us; /* when what was last told was observed */
	double number;   /* what was last told, of a NUMBER */
	bool told, told_null;
	uint8_t wait; /* enum sampler_wait */
};

/* What one source has said of one device. */
struct track {
	struct model_update known; /* last value of each field; ages are not used */
	struct model_update_room room;
	struct track_field fields[MODEL_FIELD_COUNT];
	int64_t due_us;  /* when something must be sealed; INT64_MAX: nothing waits */
	int64_t beat_us; /* of what waits for a beat */
	bool change;     /* something waits that is to be told at once */
	bool beat;       /* something waits for the beat */
	bool whole;      /* its source has said once that it is known whole */
	bool keyframe;   /* the next record is one */
	bool keyframe_at_beat;
	int64_t keyframe_us;
	int64_t at_ms, at_us;  /* the source's own time of what was read at `at_us` */
	enum wire_class class; /* of the next record */
};

/* The records of one class while they are put together. */
struct pack {
	struct buf json;
	int count;
	int64_t first_us, last_us;
};

struct sampler {
	struct sampler_config config;
	sampler_seal_fn *seal;
	void *arg;
	struct track *tracks[SAMPLER_TRACKS_MAX];
	size_t track_count;
	size_t changes; /* tracks with something to be told at once */
	int64_t due_us; /* the least of the tracks' */
	bool refused;   /* the spool did, the last time */
	bool offline;
	struct sampler_stats stats;
	struct pack packs[SAMPLER_CLASS_COUNT];
	struct model_update record;
	struct model_update_room record_room;
	bool in_record[MODEL_FIELD_COUNT];
};

/* The smallest difference in time that a source's rhythm may be off by: an eighth. */
#define SAMPLER_SLACK(us) ((us) / 8)

/* Seals what is due by now, and what can go along; `all`: everything that waits. */
int sampler_seal_due(struct sampler *sampler, int64_t now_us, bool all);

#endif
