/* An update: what one source observed of one device at one moment, as canonical fields.
 *
 * A field that is absent is unchanged; one that is null is known to be unknown.
 * Portable: memory comes from the caller, see struct model_update.
 */
#ifndef MODEL_UPDATE_H
#define MODEL_UPDATE_H

#include "model/model.h"

#define MODEL_ID_SIZE 65
#define MODEL_NO_TIME INT64_MIN
/* A century: no reading is older, and its microseconds fit. */
#define MODEL_AGE_MAX_MS INT64_C(3155760000000)

struct model_item {
	uint16_t field; /* enum model_field */
	bool null;      /* known to be unknown; `value` does not count */
	int64_t age_ms; /* how much earlier than the update this field was read, 0..MODEL_AGE_MAX_MS */
	struct model_value value;
};

/* The result of asking a provider for one module (fetch and classify, before the model). */
struct model_module_result {
	enum model_module module;
	enum model_status status;
	const char *source_auth; /* which account or adapter */
	int http_status;         /* 0: not by HTTP */
	const char *error_code;
	const char *error_detail;
	struct model_text
		raw_payload; /* never leaves the process but in an envelope; never logged */
};

struct model_update {
	char device_id[MODEL_ID_SIZE];
	char provider[MODEL_ID_SIZE]; /* "obd" */
	char source[MODEL_ID_SIZE];   /* "obd0": which source of the gateway */
	char vin[MODEL_VIN_SIZE];     /* "" where the source does not know it */
	/* The provider's own id; "" unless it stands in for device_id (HTTP items). */
	char external_id[MODEL_ID_SIZE];
	int64_t mono_us; /* monotonic time of the newest read; MODEL_NO_TIME without (HTTP, polls) */
	int64_t at_ms;   /* the source's own time; MODEL_NO_TIME where it gives none */
	bool keyframe;   /* absent fields of delivered modules are null */
	bool simulated;  /* provenance: never billable */
	uint8_t module_status
		[MODEL_MODULE_COUNT]; /* enum model_status; NOT_REQUESTED: not delivered */

	struct model_item *items; /* caller's array; each field at most once */
	size_t item_count, item_cap;
	char *text; /* caller's memory for texts and lists of the items */
	size_t text_len, text_cap;
};

/* Where the caller wants one block: room for every field once, each at its longest. */
struct model_update_room {
	struct model_item items[MODEL_FIELD_COUNT];
	char text[MODEL_TEXT_MAX];
};

enum model_error {
	MODEL_E_SPACE = -1,   /* the caller's memory is used up */
	MODEL_E_INVALID = -2, /* the value is not what the field can have */
};

/* Empties the update and gives it its memory. */
void model_update_init(struct model_update *update, struct model_update_room *room);
/* Empties it again; it keeps its memory. */
void model_update_clear(struct model_update *update);

/* Set a field (again). Values are validated; texts are copied into the update's memory (they must
 * not stand there already). Setting a field makes its age 0 and delivers its module: a status of
 * NOT_REQUESTED becomes SUCCESS. A setter that is not for the field's type is MODEL_E_INVALID:
 * number for NUMBER; integer for INTEGER, BOOL, TIME and ENUM; text for TEXT, for LIST (its cells)
 * and for ENUM (its word).
 * Return 0, MODEL_E_SPACE or MODEL_E_INVALID (nothing changed). */
int model_update_set_number(struct model_update *update, enum model_field field, double value);
int model_update_set_integer(struct model_update *update, enum model_field field, int64_t value);
int model_update_set_text(struct model_update *update, enum model_field field, const char *data,
			  size_t len);
int model_update_set_value(struct model_update *update, enum model_field field,
			   const struct model_value *value);
int model_update_set_null(struct model_update *update, enum model_field field);
/* How much earlier than the update the field was read, cut to 0..MODEL_AGE_MAX_MS; without effect where
 * the field is absent. */
void model_update_set_age(struct model_update *update, enum model_field field, int64_t age_ms);

/* The item of a field, NULL where absent. */
const struct model_item *model_update_get(const struct model_update *update,
					  enum model_field field);

#endif
