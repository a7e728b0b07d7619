#include "model/model.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "model/model_priv.h"

struct field_row {
	struct model_field_info info;
	size_t path_len;
};

static const struct field_row fields[MODEL_FIELD_COUNT] = {
#define FIELD(module, ident, path, type, min, max, aux)                                            \
	{{path, MODEL_##module, MODEL_TYPE_##type, (double)(min), (double)(max), (aux)},           \
	 sizeof(path) - 1},
#include "model/fields.def"
};

enum { ROWS_TEXT_BYTES = 1536, ROWS_CHARGING_SESSION_BYTES = 2048, ROWS_WARRANTY_BYTES = 1024 };

/* The promise of MODEL_TEXT_MAX, kept by the compiler. */
#define ROWS_BYTES(rows)                                                                           \
	((rows) == MODEL_ROWS_TEXT               ? ROWS_TEXT_BYTES                                 \
	 : (rows) == MODEL_ROWS_CHARGING_SESSION ? ROWS_CHARGING_SESSION_BYTES                     \
						 : ROWS_WARRANTY_BYTES)
#define BYTES_NUMBER(max, aux) 0
#define BYTES_INTEGER(max, aux) 0
#define BYTES_BOOL(max, aux) 0
#define BYTES_TIME(max, aux) 0
#define BYTES_ENUM(max, aux) 0
#define BYTES_TEXT(max, aux) (max)
#define BYTES_LIST(max, aux) ROWS_BYTES(aux)
enum {
	ALL_TEXT_BYTES = 0
#define FIELD(module, ident, path, type, min, max, aux) +BYTES_##type(max, aux)
#include "model/fields.def"
};
_Static_assert(ALL_TEXT_BYTES <= MODEL_TEXT_MAX, "every field at its longest fits MODEL_TEXT_MAX");

#define NAME_OF(ident, name) name,
static const char *const module_names[] = {MODEL_MODULES(NAME_OF)};
static const char *const capability_names[] = {MODEL_CAPABILITIES(NAME_OF)};
static const char *const status_names[] = {MODEL_STATUSES(NAME_OF)};

#define WORDS_MAX 8
static const char *const words_table[MODEL_WORDS_COUNT][WORDS_MAX] = {
	[MODEL_WORDS_INVENTORY_STATE] = {"online", "asleep", "offline", "unknown"},
	[MODEL_WORDS_POWERTRAIN] = {"bev", "phev", "hev", "ice", "unknown"},
	[MODEL_WORDS_GEAR] = {"p", "r", "n", "d", "unknown"},
	[MODEL_WORDS_IGNITION] = {"off", "accessory", "on", "unknown"},
	[MODEL_WORDS_LOCATION_STATUS] = {"available", "missing_in_payload", "not_permitted",
					 "no_fix"},
	[MODEL_WORDS_CHARGING_STATE] = {"complete", "charging", "starting", "stopped",
					"disconnected", "no_power", "unknown"},
};

struct rows_info {
	size_t count, bytes_max;
	struct model_column columns[MODEL_COLUMNS_MAX];
};

static const struct rows_info rows_table[MODEL_ROWS_COUNT] = {
	[MODEL_ROWS_TEXT] = {1, ROWS_TEXT_BYTES, {{"", MODEL_TYPE_TEXT}}},
	[MODEL_ROWS_CHARGING_SESSION] = {4,
					 ROWS_CHARGING_SESSION_BYTES,
					 {{"started_at", MODEL_TYPE_TIME},
					  {"ended_at", MODEL_TYPE_TIME},
					  {"energy_added_kwh", MODEL_TYPE_NUMBER},
					  {"place", MODEL_TYPE_TEXT}}},
	[MODEL_ROWS_WARRANTY] = {3,
				 ROWS_WARRANTY_BYTES,
				 {{"name", MODEL_TYPE_TEXT},
				  {"expires_at", MODEL_TYPE_TIME},
				  {"expires_km", MODEL_TYPE_NUMBER}}},
};

const struct model_field_info *model_field_info(enum model_field field)
{
	return (unsigned)field < MODEL_FIELD_COUNT ? &fields[field].info : NULL;
}

const char *model_module_name(enum model_module module)
{
	return (unsigned)module < MODEL_MODULE_COUNT ? module_names[module] : NULL;
}

const char *model_capability_name(enum model_capability capability)
{
	return (unsigned)capability < MODEL_CAPABILITY_COUNT ? capability_names[capability] : NULL;
}

const char *model_status_name(enum model_status status)
{
	return (unsigned)status < MODEL_STATUS_COUNT ? status_names[status] : NULL;
}

bool model_status_delivered(enum model_status status)
{
	return status == MODEL_STATUS_SUCCESS || status == MODEL_STATUS_PARTIAL ||
	       status == MODEL_STATUS_EMPTY;
}

const char *model_word(enum model_words words, size_t index)
{
	if ((unsigned)words >= MODEL_WORDS_COUNT || index >= WORDS_MAX)
		return NULL;
	return words_table[words][index];
}

const struct model_column *model_columns(enum model_rows rows, size_t *ret_count)
{
	if ((unsigned)rows >= MODEL_ROWS_COUNT || rows_table[rows].count == 0)
		return NULL;
	*ret_count = rows_table[rows].count;
	return rows_table[rows].columns;
}

size_t model_rows_bytes_max(enum model_rows rows)
{
	return (unsigned)rows < MODEL_ROWS_COUNT ? rows_table[rows].bytes_max : 0;
}

/* The lists end at `count` or at the first NULL. */
static int find_name(const char *const *names, size_t count, const char *name, size_t len)
{
	/* The first letter tells most of them apart, without a call. */
	for (size_t i = 0; i < count && names[i] && len > 0; i++)
		if (names[i][0] == name[0] && strncmp(names[i], name, len) == 0 &&
		    names[i][len] == '\0')
			return (int)i;
	return -1;
}

int model_module_find(const char *name, size_t len)
{
	return find_name(module_names, MODEL_MODULE_COUNT, name, len);
}

int model_status_find(const char *name, size_t len)
{
	return find_name(status_names, MODEL_STATUS_COUNT, name, len);
}

int model_word_find(enum model_words words, const char *name, size_t len)
{
	if ((unsigned)words >= MODEL_WORDS_COUNT)
		return -1;
	return find_name(words_table[words], WORDS_MAX, name, len);
}

/* The table stands in the order of the modules (a test sees to it): the first field of `module` or
 * of a later one, by halving. */
enum model_field model_module_first(enum model_module module)
{
	size_t low = 0, high = MODEL_FIELD_COUNT;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (fields[mid].info.module < module)
			low = mid + 1;
		else
			high = mid;
	}
	return (enum model_field)low;
}

enum model_field model_module_end(enum model_module module)
{
	return model_module_first(module + 1);
}

/* The length settles nearly all of a module's at most 22 names before a byte is compared. */
int model_field_find(enum model_module module, const char *path, size_t len)
{
	for (size_t i = model_module_first(module); i < MODEL_FIELD_COUNT; i++) {
		if (fields[i].info.module != module)
			break;
		if (fields[i].path_len == len && memcmp(fields[i].info.path, path, len) == 0)
			return (int)i;
	}
	return -1;
}

/* The length of the UTF-8 sequence at `s` (RFC 3629, table 3-7 of Unicode), 0 where there is none
 * of a printable character. */
static size_t utf8_sequence(const unsigned char *s, size_t len)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t need;

	if (s[0] < 0x80)
		return s[0] >= 0x20 && s[0] != 0x7f ? 1 : 0;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		need = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		need = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		need = 4;
	else
		return 0;
	if (len < need)
		return 0;
	if (s[0] == 0xc2 || s[0] == 0xe0)
		low = 0xa0; /* C1 controls; overlong */
	else if (s[0] == 0xf0)
		low = 0x90;
	if (s[0] == 0xed)
		high = 0x9f; /* surrogates */
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < need; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return need;
}

bool model_utf8_valid(const char *data, size_t len)
{
	size_t i = 0;

	while (i < len) {
		size_t n = utf8_sequence((const unsigned char *)data + i, len - i);

		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

static enum model_validity validate_text(const struct model_field_info *info,
					 enum model_field field, const struct model_text *text)
{
	if ((double)text->len < info->min || (double)text->len > info->max ||
	    !model_utf8_valid(text->data, text->len))
		return MODEL_BAD_TEXT;
	if (field == MODEL_FIELD_IDENTITY_VIN && !model_vin_valid(text->data, text->len))
		return MODEL_BAD_TEXT;
	return MODEL_VALID;
}

/* Decimal text of a finite number and nothing else; strtod() alone also takes "nan" and hex. */
static bool decimal_valid(const char *cell, bool integer)
{
	const char *allowed = integer ? "-0123456789" : "+-.0123456789Ee";
	char *end;
	double value;

	if (strspn(cell, allowed) != strlen(cell))
		return false;
	value = strtod(cell, &end);
	return end != cell && *end == '\0' && value >= -DBL_MAX && value <= DBL_MAX;
}

static bool cell_valid(enum model_type type, const char *cell, size_t len)
{
	if (len == 0)
		return true;
	if (type == MODEL_TYPE_TEXT)
		return model_utf8_valid(cell, len);
	return decimal_valid(cell, type == MODEL_TYPE_TIME);
}

static enum model_validity validate_list(const struct model_field_info *info,
					 const struct model_text *text)
{
	const struct rows_info *rows = &rows_table[info->aux];
	const char *cell = text->data;
	size_t left = text->len, cells = 0;

	if (left > rows->bytes_max || (left > 0 && text->data[left - 1] != '\0'))
		return MODEL_BAD_LIST;
	while (left > 0) {
		size_t len = strlen(cell);

		if (!cell_valid(rows->columns[cells % rows->count].type, cell, len))
			return MODEL_BAD_LIST;
		if (len == 0 && rows->count == 1)
			return MODEL_BAD_LIST;
		cells++;
		cell += len + 1;
		left -= len + 1;
	}
	if (cells % rows->count != 0 || (double)cells > info->max * (double)rows->count)
		return MODEL_BAD_LIST;
	return MODEL_VALID;
}

static bool in_range(double value, const struct model_field_info *info)
{
	/* Written so that a NaN is outside. */
	return value >= info->min && value <= info->max;
}

enum model_validity model_validate(enum model_field field, const struct model_value *value)
{
	const struct model_field_info *info = model_field_info(field);

	if (!info)
		return MODEL_OUT_OF_RANGE;
	switch (info->type) {
	case MODEL_TYPE_NUMBER:
		return in_range(value->as.number, info) ? MODEL_VALID : MODEL_OUT_OF_RANGE;
	case MODEL_TYPE_INTEGER:
	case MODEL_TYPE_BOOL:
	case MODEL_TYPE_TIME:
		return in_range((double)value->as.integer, info) ? MODEL_VALID : MODEL_OUT_OF_RANGE;
	case MODEL_TYPE_ENUM:
		if (value->as.integer < 0 || value->as.integer >= WORDS_MAX)
			return MODEL_BAD_WORD;
		return model_word(info->aux, (size_t)value->as.integer) ? MODEL_VALID
									: MODEL_BAD_WORD;
	case MODEL_TYPE_TEXT:
		return validate_text(info, field, &value->as.text);
	case MODEL_TYPE_LIST:
		return validate_list(info, &value->as.text);
	}
	return MODEL_OUT_OF_RANGE;
}

const char *model_validity_name(enum model_validity validity)
{
	switch (validity) {
	case MODEL_VALID:
		return "is valid";
	case MODEL_OUT_OF_RANGE:
		return "is out of range";
	case MODEL_BAD_WORD:
		return "is none of the field's words";
	case MODEL_BAD_TEXT:
		return "is no text that the field can have";
	case MODEL_BAD_LIST:
		return "is no list that the field can have";
	}
	return "is not valid";
}

bool model_value_equal(enum model_field field, const struct model_value *a,
		       const struct model_value *b)
{
	const struct model_field_info *info = model_field_info(field);

	if (!info)
		return false;
	if (info->type == MODEL_TYPE_NUMBER)
		return a->as.number >= b->as.number && a->as.number <= b->as.number;
	if (!model_type_has_text(info->type))
		return a->as.integer == b->as.integer;
	return a->as.text.len == b->as.text.len &&
	       (a->as.text.len == 0 ||
		memcmp(a->as.text.data, b->as.text.data, a->as.text.len) == 0);
}

bool model_vin_valid(const char *vin, size_t len)
{
	if (len != MODEL_VIN_LEN)
		return false;
	for (size_t i = 0; i < len; i++) {
		bool digit = vin[i] >= '0' && vin[i] <= '9';
		bool letter = vin[i] >= 'A' && vin[i] <= 'Z' && vin[i] != 'I' && vin[i] != 'O' &&
			      vin[i] != 'Q';

		if (!digit && !letter)
			return false;
	}
	return true;
}

bool model_vin_check_digit_ok(const char *vin)
{
	/* 49 CFR 565.15(c)(4): values of A..Z (I, O, Q never occur) and the positions' weights. */
	static const unsigned char values[] = {1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2, 3, 4,
					       5, 0, 7, 0, 9, 2, 3, 4, 5, 6, 7, 8, 9};
	static const unsigned char weights[] = {8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2};
	unsigned sum = 0;

	if (!model_vin_valid(vin, strlen(vin)))
		return false;
	for (size_t i = 0; i < MODEL_VIN_LEN; i++) {
		bool letter = vin[i] >= 'A';
		unsigned value = letter ? values[vin[i] - 'A'] : (unsigned)(vin[i] - '0');

		sum += value * weights[i];
	}
	return vin[8] == (sum % 11 == 10 ? 'X' : (char)('0' + sum % 11));
}

void model_vin_mask(const char *vin, char out[static MODEL_VIN_SIZE])
{
	size_t shown = model_vin_valid(vin, strlen(vin)) ? 13 : 0;

	memcpy(out, vin, shown);
	memcpy(out + shown, "****", 5);
}

void model_text_compact(char *memory, size_t *len, struct model_text *const *texts, size_t count)
{
	const char *done = memory;
	size_t used = 0;

	/* Slide down the lowest text that has not moved yet, until none is left; texts are few. */
	for (;;) {
		struct model_text *lowest = NULL;

		for (size_t i = 0; i < count; i++)
			if (texts[i]->len > 0 && texts[i]->data >= done &&
			    (!lowest || texts[i]->data < lowest->data))
				lowest = texts[i];
		if (!lowest)
			break;
		done = lowest->data + lowest->len;
		memmove(memory + used, lowest->data, lowest->len);
		lowest->data = memory + used;
		used += lowest->len;
	}
	*len = used;
}
