#include "agent/source/bus_table.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "agent/protocol/dbc.h"
#include "agent/protocol/j1939.h"
#include "base/file.h"
#include "provider/unit.h"

#define PDU2 240
#define EXTENDED_KEY (UINT64_C(1) << 32)
#define ID_11 0x7ffU
#define ID_29 0x1fffffffU

/* A signal of the map in its message. */
struct item {
	uint64_t key; /* identifier or group; EXTENDED_KEY set for 29 bits */
	size_t signal;
	const struct j1939_spn *spn;    /* of J1939's table, */
	const struct dbc_signal *known; /* or of the DBC file */
};

struct bus_table {
	struct bus_map *map;
	bool by_pgn;
	struct item *items; /* sorted by key, then as the map has them */
	size_t count;
	char *text; /* of the DBC file */
	struct dbc dbc;
};

struct load {
	struct bus_table *table;
	const char *path;
	FILE *errors;
	int mistakes;
};

__attribute__((format(printf, 3, 4))) static void mistake(struct load *load, int line,
							  const char *fmt, ...)
{
	va_list args;

	(void)fprintf(load->errors, "%s:%d: ", load->path, line);
	va_start(args, fmt);
	(void)vfprintf(load->errors, fmt, args);
	va_end(args);
	(void)fputc('\n', load->errors);
	load->mistakes++;
}

/* ---- the DBC file ---- */

static int make_room(struct dbc *dbc, const struct dbc *caps)
{
	*dbc = *caps;
	dbc->messages = calloc(caps->message_cap + 1, sizeof(*dbc->messages));
	dbc->signals = calloc(caps->signal_cap + 1, sizeof(*dbc->signals));
	dbc->ranges = calloc(caps->range_cap + 1, sizeof(*dbc->ranges));
	dbc->values = calloc(caps->value_cap + 1, sizeof(*dbc->values));
	return dbc->messages && dbc->signals && dbc->ranges && dbc->values ? 0 : -ENOMEM;
}

static int read_dbc(struct load *load, const char *path)
{
	struct bus_table *table = load->table;
	struct dbc_error error = {0};
	struct dbc caps = {0};
	size_t len = 0;
	int r = file_read(path, BUS_DBC_MAX, &table->text, &len);

	if (r) {
		(void)fprintf(load->errors, "%s: %s\n", path, strerror(-r));
		return r;
	}
	dbc_measure(table->text, len, &caps);
	r = make_room(&table->dbc, &caps);
	if (r) {
		(void)fprintf(load->errors, "%s: %s\n", path, strerror(-r));
		return r;
	}
	if (!dbc_parse(&table->dbc, table->text, len, &error)) {
		(void)fprintf(load->errors, "%s:%u: %s\n", path, error.line, error.reason);
		return -EINVAL;
	}
	return 0;
}

/* ---- names ---- */

static bool is_name(const struct dbc_text *text, const char *name, size_t len)
{
	return text->len == len && memcmp(text->data, name, len) == 0;
}

static const struct dbc_signal *find_signal(const struct dbc *dbc, const char *name)
{
	const char *dot = strchr(name, '.');

	for (size_t i = 0; dot && i < dbc->message_count; i++) {
		const struct dbc_message *message = &dbc->messages[i];

		if (!is_name(&message->name, name, (size_t)(dot - name)))
			continue;
		for (size_t j = 0; j < message->signal_count; j++)
			if (is_name(&dbc->signals[message->signal_first + j].name, dot + 1,
				    strlen(dot + 1)))
				return &dbc->signals[message->signal_first + j];
	}
	return NULL;
}

/* The map may leave the unit out only where the file's own is the field's, or none that is known. */
static void check_unit(struct load *load, const struct bus_map_signal *signal, const char *unit)
{
	const char *wanted = unit_of_field((int)signal->field);
	const char *known = unit_find(unit);

	if (signal->kind != BUS_MAP_NUMBER || signal->unit[0] || !known || !known[0] ||
	    !wanted[0] || strcmp(known, wanted) == 0)
		return;
	mistake(load, signal->line,
		"[signal %s] unit: expected `unit = %s`, which its file says, "
		"or another one: the field's is \"%s\"",
		signal->name, known, wanted);
}

static void resolve_dbc(struct load *load, const struct bus_map_signal *signal, struct item *item)
{
	const struct bus_table *table = load->table;
	const struct dbc_message *message;
	char unit[16] = "";

	item->known = find_signal(&table->dbc, signal->name);
	if (!item->known) {
		mistake(load, signal->line,
			"[signal %s]: expected Message.Signal of the DBC file, which has no such",
			signal->name);
		return;
	}
	message = &table->dbc.messages[item->known->message];
	if (table->by_pgn && !message->extended) {
		mistake(load, signal->line,
			"[signal %s]: expected a message with 29 bits of identifier, for it is "
			"matched by its parameter group",
			signal->name);
		return;
	}
	item->key = message->extended ? EXTENDED_KEY : 0;
	item->key |= table->by_pgn ? j1939_id_parse(message->id).pgn : message->id;
	if (item->known->unit.len < sizeof(unit))
		memcpy(unit, item->known->unit.data, item->known->unit.len);
	check_unit(load, signal, unit);
}

static void resolve_spn(struct load *load, const struct bus_map_signal *signal, struct item *item)
{
	item->spn = j1939_spn_find(signal->name);
	if (!item->spn) {
		mistake(load, signal->line,
			"[signal %s]: expected a parameter of the J1939 table (docs/buses.md)",
			signal->name);
		return;
	}
	item->key = EXTENDED_KEY | item->spn->pgn;
	check_unit(load, signal, item->spn->unit);
}

static int by_key(const void *a, const void *b)
{
	const struct item *first = a, *second = b;

	if (first->key != second->key)
		return first->key < second->key ? -1 : 1;
	return first->signal < second->signal ? -1 : first->signal > second->signal;
}

static int resolve(struct load *load)
{
	struct bus_table *table = load->table;
	const size_t count = bus_map_count(table->map);
	const bool dbc = bus_map_dbc(table->map)[0] != '\0';

	table->items = calloc(count, sizeof(*table->items));
	if (!table->items)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		struct item *item = &table->items[i];

		item->signal = i;
		if (dbc)
			resolve_dbc(load, bus_map_signal(table->map, i), item);
		else
			resolve_spn(load, bus_map_signal(table->map, i), item);
	}
	if (load->mistakes)
		return -EINVAL;
	table->count = count;
	qsort(table->items, count, sizeof(*table->items), by_key);
	return 0;
}

int bus_table_load(const char *path, FILE *errors, struct bus_table **ret_table)
{
	struct bus_table *table = calloc(1, sizeof(*table));
	struct load load = {.table = table, .path = path, .errors = errors};
	int r = -ENOMEM;

	if (!table)
		return r;
	r = bus_map_load(path, errors, &table->map);
	if (!r) {
		table->by_pgn = bus_map_by_pgn(table->map);
		if (bus_map_dbc(table->map)[0])
			r = read_dbc(&load, bus_map_dbc(table->map));
	}
	if (!r)
		r = resolve(&load);
	if (r) {
		bus_table_free(table);
		return r;
	}
	*ret_table = table;
	return 0;
}

void bus_table_free(struct bus_table *table)
{
	if (!table)
		return;
	bus_map_free(table->map);
	free(table->items);
	free(table->dbc.messages);
	free(table->dbc.signals);
	free(table->dbc.ranges);
	free(table->dbc.values);
	free(table->text);
	free(table);
}

const struct bus_map *bus_table_map(const struct bus_table *table)
{
	return table->map;
}

bool bus_table_by_pgn(const struct bus_table *table)
{
	return table->by_pgn;
}

/* ---- what is wanted ---- */

struct canbus_filter bus_filter_pgn(uint32_t pgn)
{
	const bool broadcast = (pgn >> 8 & 0xff) >= PDU2;

	/* Priority and source do not count, nor does the destination of a group that has one. */
	return (struct canbus_filter){
		.id = pgn << 8, .mask = broadcast ? 0x03ffff00 : 0x03ff0000, .extended = true};
}

size_t bus_table_filters(const struct bus_table *table, struct canbus_filter *out, size_t room)
{
	size_t count = 0;

	for (size_t i = 0; i < table->count; i++) {
		const struct item *item = &table->items[i];
		const bool extended = (item->key & EXTENDED_KEY) != 0;

		if (i > 0 && item->key == table->items[i - 1].key)
			continue;
		if (count < room && table->by_pgn)
			out[count] = bus_filter_pgn((uint32_t)item->key);
		else if (count < room)
			out[count] = (struct canbus_filter){.id = (uint32_t)item->key,
							    .mask = extended ? ID_29 : ID_11,
							    .extended = extended};
		count++;
	}
	return count;
}

static size_t first_of(const struct bus_table *table, uint64_t key)
{
	size_t first = 0, last = table->count;

	while (first < last) {
		const size_t middle = (first + last) / 2;

		if (table->items[middle].key < key)
			first = middle + 1;
		else
			last = middle;
	}
	return first;
}

/* In a J1939 message a number of a DBC file may say that it is none, as all its parameters do. */
static bool is_said(const struct dbc_signal *signal, const uint8_t *data, size_t len)
{
	uint64_t raw;

	return signal->motorola || signal->type != DBC_UNSIGNED ||
	       j1939_raw(signal->start, signal->bits, data, len, &raw) == J1939_OK;
}

static bool value_of(const struct bus_table *table, const struct item *item, const uint8_t *data,
		     size_t len, double *ret_value)
{
	if (item->spn)
		return j1939_value(item->spn, data, len, ret_value) == J1939_OK;
	if (table->by_pgn && !is_said(item->known, data, len))
		return false;
	return dbc_number(&table->dbc, item->known, data, len, ret_value);
}

bool bus_table_decode(const struct bus_table *table, uint32_t key, bool extended,
		      const uint8_t *data, size_t len, bus_table_fn *fn, void *arg)
{
	const uint64_t wanted = (extended ? EXTENDED_KEY : 0) | key;
	size_t i = first_of(table, wanted);
	const bool known = i < table->count && table->items[i].key == wanted;

	for (; i < table->count && table->items[i].key == wanted; i++) {
		double value;

		if (value_of(table, &table->items[i], data, len, &value))
			fn(arg, table->items[i].signal, value);
	}
	return known;
}
