/* DBC files: frames and signals of a CAN bus as vehicle makers describe them (the format of Vector's
 * CANdb++, of which no free standard exists; the grammar follows its public descriptions).
 *
 * Read: BO_, SG_ with multiplexing (M, m0, m0M), SIG_VALTYPE_ (float, double), SG_MUL_VAL_ (ranges of
 * several multiplexers), VAL_. Comments, nodes, attributes and tables of values that no signal names
 * are passed over. What is read is checked; the first mistake ends the reading with its line and reason.
 *
 * Portable: no I/O, no allocation. The caller gives text and memory; names and units are slices of
 * the text, which must live as long as the database.
 */
#ifndef AGENT_PROTOCOL_DBC_H
#define AGENT_PROTOCOL_DBC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DBC_SIZE_MAX 1785 /* bytes of a message; more than 8 by a transport protocol */
#define DBC_EXTENDED_MAX 0x1fffffff
#define DBC_DEPTH_MAX 4 /* a multiplexer that is itself multiplexed, and so on */

/* A piece of the text. */
struct dbc_text {
	const char *data;
	size_t len;
};

enum dbc_type { DBC_UNSIGNED, DBC_SIGNED, DBC_FLOAT, DBC_DOUBLE };

struct dbc_signal {
	struct dbc_text name, unit;
	size_t message;
	uint16_t start; /* as the file counts */
	uint8_t bits;
	bool motorola;
	enum dbc_type type;
	double factor, offset;
	double min, max; /* both 0: the file gives no range */
	bool multiplexer;
	int parent; /* the multiplexer that must have one of the ranges' values; -1: always there */
	size_t range_first, range_count;
	size_t value_first, value_count;
	bool named_parent; /* SG_MUL_VAL_ said so */
	unsigned line;     /* of the file */
};

struct dbc_message {
	uint32_t id; /* 11 or 29 bits */
	bool extended;
	struct dbc_text name;
	uint16_t size; /* bytes */
	size_t signal_first, signal_count;
};

struct dbc_range {
	uint64_t first, last;
};

/* A raw value's name. */
struct dbc_value {
	int64_t raw;
	struct dbc_text name;
};

/* The caller sets the arrays and their room (cap); dbc_parse() fills them and counts. */
struct dbc {
	struct dbc_message *messages;
	struct dbc_signal *signals;
	struct dbc_range *ranges;
	struct dbc_value *values;
	size_t message_cap, signal_cap, range_cap, value_cap;
	size_t message_count, signal_count, range_count, value_count;
};

struct dbc_error {
	unsigned line;
	char reason[96]; /* for a person */
};

/* Reads a file's text. False with *ret_error set where it is wrong or the room is used up; the
 * database is then not to be used. */
bool dbc_parse(struct dbc *dbc, const char *text, size_t len, struct dbc_error *ret_error);

/* Upper bounds of what a text holds, to size the arrays. */
void dbc_measure(const char *text, size_t len, struct dbc *ret_caps);

/* A message by its identifier; NULL: none. */
const struct dbc_message *dbc_find(const struct dbc *dbc, uint32_t id, bool extended);

/* A J1939 message by its parameter group (source, priority and destination do not count). */
const struct dbc_message *dbc_find_pgn(const struct dbc *dbc, uint32_t pgn);

/* The raw number of a signal, sign-extended. False where the data does not reach that far, or the
 * signal is not in this message now (multiplexing). */
bool dbc_raw(const struct dbc *dbc, const struct dbc_signal *signal, const uint8_t *data,
	     size_t len, uint64_t *ret_raw);

/* raw * factor + offset; of float signals the number itself, scaled (false for NaN and infinities). */
bool dbc_number(const struct dbc *dbc, const struct dbc_signal *signal, const uint8_t *data,
		size_t len, double *ret_number);

/* The name of a raw value; NULL: it has none. */
const struct dbc_text *dbc_value_name(const struct dbc *dbc, const struct dbc_signal *signal,
				      uint64_t raw);

#endif
