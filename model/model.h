/* What a vehicle IS: modules, canonical fields, their types, units and ranges.
 *
 * Portable: stands on the C library alone, allocates nothing, reads no clock, holds no state.
 * The table is model/fields.def; a new canonical field is one line there.
 */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The ten modules, in this order everywhere. */
#define MODEL_MODULES(X)                                                                           \
	X(INVENTORY, "inventory")                                                                  \
	X(IDENTITY, "identity")                                                                    \
	X(VEHICLE_STATE, "vehicle_state")                                                          \
	X(BATTERY, "battery")                                                                      \
	X(CHARGING, "charging")                                                                    \
	X(SERVICE, "service")                                                                      \
	X(WARRANTY, "warranty")                                                                    \
	X(SOFTWARE, "software")                                                                    \
	X(FACTORY_OPTIONS, "factory_options")                                                      \
	X(TECHNICAL_SPECS, "technical_specs")

#define MODEL_MODULE_IDENT(ident, name) MODEL_##ident,
enum model_module { MODEL_MODULES(MODEL_MODULE_IDENT) MODEL_MODULE_COUNT };

/* What a provider declares to have of a module. */
#define MODEL_CAPABILITIES(X)                                                                      \
	X(FULL, "full")                                                                            \
	X(PARTIAL, "partial")                                                                      \
	X(UNSUPPORTED, "unsupported")                                                              \
	X(PREMIUM, "premium")

#define MODEL_CAPABILITY_IDENT(ident, name) MODEL_CAPABILITY_##ident,
enum model_capability { MODEL_CAPABILITIES(MODEL_CAPABILITY_IDENT) MODEL_CAPABILITY_COUNT };

/* How the fetch of a module ended. The first, 0, is "was not asked for". */
#define MODEL_STATUSES(X)                                                                          \
	X(NOT_REQUESTED, "not_requested")                                                          \
	X(SUCCESS, "success")                                                                      \
	X(PARTIAL, "partial")                                                                      \
	X(EMPTY, "empty")                                                                          \
	X(UNSUPPORTED, "unsupported")                                                              \
	X(AUTH_FAILED, "auth_failed")                                                              \
	X(TRANSPORT_FAILED, "transport_failed")                                                    \
	X(SCHEMA_FAILED, "schema_failed")

#define MODEL_STATUS_IDENT(ident, name) MODEL_STATUS_##ident,
enum model_status { MODEL_STATUSES(MODEL_STATUS_IDENT) MODEL_STATUS_COUNT };

enum model_type {
	MODEL_TYPE_NUMBER,
	MODEL_TYPE_INTEGER,
	MODEL_TYPE_BOOL,
	MODEL_TYPE_TIME,
	MODEL_TYPE_TEXT,
	MODEL_TYPE_ENUM,
	MODEL_TYPE_LIST,
};

/* The word lists of ENUM fields; a value is the index of its word. */
enum model_words {
	MODEL_WORDS_INVENTORY_STATE = 1, /* online asleep offline unknown */
	MODEL_WORDS_POWERTRAIN,          /* bev phev hev ice unknown */
	MODEL_WORDS_GEAR,                /* p r n d unknown */
	MODEL_WORDS_IGNITION,            /* off accessory on unknown */
	MODEL_WORDS_LOCATION_STATUS,     /* available missing_in_payload not_permitted no_fix */
	/* complete charging starting stopped disconnected no_power unknown */
	MODEL_WORDS_CHARGING_STATE,
	MODEL_WORDS_COUNT
};

enum model_ignition {
	MODEL_IGNITION_OFF,
	MODEL_IGNITION_ACCESSORY,
	MODEL_IGNITION_ON,
	MODEL_IGNITION_UNKNOWN
};
enum model_charging_state {
	MODEL_CHARGING_COMPLETE,
	MODEL_CHARGING_CHARGING,
	MODEL_CHARGING_STARTING,
	MODEL_CHARGING_STOPPED,
	MODEL_CHARGING_DISCONNECTED,
	MODEL_CHARGING_NO_POWER,
	MODEL_CHARGING_UNKNOWN
};

/* The columns of LIST fields' rows. A list of one nameless column is a list of texts. */
enum model_rows {
	MODEL_ROWS_TEXT = 1,         /* "" */
	MODEL_ROWS_CHARGING_SESSION, /* started_at ended_at energy_added_kwh place */
	MODEL_ROWS_WARRANTY,         /* name expires_at expires_km */
	MODEL_ROWS_COUNT
};

struct model_column {
	const char *name;
	enum model_type type; /* NUMBER, TIME or TEXT */
};

enum model_field {
#define FIELD(module, ident, path, type, min, max, aux) MODEL_FIELD_##ident,
#include "model/fields.def"
	MODEL_FIELD_COUNT
};

struct model_field_info {
	const char *path; /* inside the module, "location.latitude" */
	enum model_module module;
	enum model_type type;
	double min, max;
	unsigned aux; /* enum model_words or enum model_rows */
};

/* Static tables; an index out of range gives NULL. */
const struct model_field_info *model_field_info(enum model_field field);
const char *model_module_name(enum model_module module);
const char *model_capability_name(enum model_capability capability);
const char *model_status_name(enum model_status status);
/* True where the module's data came: success, partial, empty. */
bool model_status_delivered(enum model_status status);
/* The words of a list, NULL where `index` is past the last. */
const char *model_word(enum model_words words, size_t index);
/* The columns of a list's rows; *ret_count is how many (at most MODEL_COLUMNS_MAX). */
const struct model_column *model_columns(enum model_rows rows, size_t *ret_count);
#define MODEL_COLUMNS_MAX 4

/* Look-ups by name, exact; -1 where there is none. */
int model_module_find(const char *name, size_t len);
int model_status_find(const char *name, size_t len);
int model_word_find(enum model_words words, const char *name, size_t len);
int model_field_find(enum model_module module, const char *path, size_t len);

/* The fields of a module stand together: first and one past the last. */
enum model_field model_module_first(enum model_module module);
enum model_field model_module_end(enum model_module module);

/* Bounds of texts, such that every field at its longest fits MODEL_TEXT_MAX bytes: a memory of that
 * size can never be full of valid values. */
#define MODEL_TEXT_MAX 14336
/* The most bytes of a LIST's cells, their NULs included; 0 for what is no list of `rows`. */
size_t model_rows_bytes_max(enum model_rows rows);

/* Text that somebody else owns; not NUL-terminated. */
struct model_text {
	const char *data;
	size_t len;
};

/* A value; which member holds is the field's type: NUMBER number; INTEGER, BOOL, TIME, ENUM integer;
 * TEXT text; LIST text: its rows' cells in order, each ended by a NUL, an empty cell is "not known"
 * (a list of texts has none); NUMBER and TIME cells stand as decimal text (TIME in ms UTC). */
struct model_value {
	union {
		double number;
		int64_t integer;
		struct model_text text;
	} as;
};

enum model_validity {
	MODEL_VALID = 0,
	MODEL_OUT_OF_RANGE, /* also NaN and infinities */
	MODEL_BAD_WORD,
	MODEL_BAD_TEXT, /* no UTF-8, control characters, too short or long; a VIN with I, O, Q */
	MODEL_BAD_LIST, /* too many rows or bytes, cells missing or not of their column's type */
};

/* A sentence's end for a person: "is out of range". */
const char *model_validity_name(enum model_validity validity);

/* UTF-8 without control characters (C0, DEL, C1), surrogates or overlong forms. */
bool model_utf8_valid(const char *data, size_t len);

/* Is the value what the field can have? */
enum model_validity model_validate(enum model_field field, const struct model_value *value);

bool model_value_equal(enum model_field field, const struct model_value *a,
		       const struct model_value *b);

/* VINs (ISO 3779): 17 of A-Z 0-9 without I, O, Q. */
#define MODEL_VIN_LEN 17
#define MODEL_VIN_SIZE 18
bool model_vin_valid(const char *vin, size_t len);
/* The check digit of 49 CFR 565.15(c), used by North America and China; elsewhere it may fail. */
bool model_vin_check_digit_ok(const char *vin);
/* The first 13 characters, then "****"; what is no VIN becomes "****". */
void model_vin_mask(const char *vin, char out[static MODEL_VIN_SIZE]);

#endif
