#include "agent/protocol/dbc.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "agent/protocol/bits.h"
#include "agent/protocol/dbc_priv.h"
#include "agent/protocol/j1939.h"

const struct dbc_message *dbc_find(const struct dbc *dbc, uint32_t id, bool extended)
{
	for (size_t i = 0; i < dbc->message_count; i++)
		if (dbc->messages[i].id == id && dbc->messages[i].extended == extended)
			return &dbc->messages[i];
	return NULL;
}

const struct dbc_message *dbc_find_pgn(const struct dbc *dbc, uint32_t pgn)
{
	for (size_t i = 0; i < dbc->message_count; i++)
		if (dbc->messages[i].extended && j1939_id_parse(dbc->messages[i].id).pgn == pgn)
			return &dbc->messages[i];
	return NULL;
}

/* ---- decoding ---- */

static bool is_present(const struct dbc *dbc, const struct dbc_signal *signal, const uint8_t *data,
		       size_t len, unsigned depth);

static bool raw_bits(const struct dbc_signal *signal, const uint8_t *data, size_t len,
		     uint64_t *ret_raw)
{
	return signal->motorola ? bits_motorola(data, len, signal->start, signal->bits, ret_raw)
				: bits_intel(data, len, signal->start, signal->bits, ret_raw);
}

static bool selects(const struct dbc *dbc, const struct dbc_signal *signal, uint64_t raw)
{
	for (size_t i = 0; i < signal->range_count; i++) {
		const struct dbc_range *range = &dbc->ranges[signal->range_first + i];

		if (raw >= range->first && raw <= range->last)
			return true;
	}
	return false;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as multiplexers are nested, DBC_DEPTH_MAX */
static bool is_present(const struct dbc *dbc, const struct dbc_signal *signal, const uint8_t *data,
		       size_t len, unsigned depth)
{
	const struct dbc_signal *parent;
	uint64_t raw;

	if (signal->parent < 0)
		return true;
	if (depth >= DBC_DEPTH_MAX)
		return false;
	parent = &dbc->signals[signal->parent];
	return raw_bits(parent, data, len, &raw) && selects(dbc, signal, raw) &&
	       is_present(dbc, parent, data, len, depth + 1);
}

bool dbc_raw(const struct dbc *dbc, const struct dbc_signal *signal, const uint8_t *data,
	     size_t len, uint64_t *ret_raw)
{
	uint64_t raw;

	if (!is_present(dbc, signal, data, len, 0) || !raw_bits(signal, data, len, &raw))
		return false;
	if (signal->type == DBC_SIGNED && signal->bits < 64 && raw >> (signal->bits - 1))
		raw |= UINT64_MAX << signal->bits;
	*ret_raw = raw;
	return true;
}

static double real_of(const struct dbc_signal *signal, uint64_t raw)
{
	const uint32_t low = (uint32_t)raw;
	double number;
	float small;

	switch (signal->type) {
	case DBC_FLOAT:
		memcpy(&small, &low, sizeof(small));
		return (double)small;
	case DBC_DOUBLE:
		memcpy(&number, &raw, sizeof(number));
		return number;
	case DBC_SIGNED:
		return (double)(int64_t)raw;
	default:
		return (double)raw;
	}
}

bool dbc_number(const struct dbc *dbc, const struct dbc_signal *signal, const uint8_t *data,
		size_t len, double *ret_number)
{
	double number;
	uint64_t raw;

	if (!dbc_raw(dbc, signal, data, len, &raw))
		return false;
	number = real_of(signal, raw) * signal->factor + signal->offset;
	if (!isfinite(number))
		return false;
	*ret_number = number;
	return true;
}

const struct dbc_text *dbc_value_name(const struct dbc *dbc, const struct dbc_signal *signal,
				      uint64_t raw)
{
	for (size_t i = 0; i < signal->value_count; i++)
		if (dbc->values[signal->value_first + i].raw == (int64_t)raw)
			return &dbc->values[signal->value_first + i].name;
	return NULL;
}

/* ---- the checks that need the whole file ---- */

static bool fail_at(const struct dbc_signal *signal, const char *what, struct dbc_error *ret_error)
{
	ret_error->line = signal->line;
	(void)snprintf(ret_error->reason, sizeof(ret_error->reason), "signal %.*s: %s",
		       (int)(signal->name.len < 40 ? signal->name.len : 40), signal->name.data,
		       what);
	return false;
}

static int multiplexer_of(const struct dbc *dbc, const struct dbc_message *message,
			  bool *ret_several)
{
	int found = -1;

	*ret_several = false;
	for (size_t i = 0; i < message->signal_count; i++) {
		const size_t index = message->signal_first + i;

		if (!dbc->signals[index].multiplexer)
			continue;
		*ret_several = found >= 0;
		if (found >= 0)
			return found;
		found = (int)index;
	}
	return found;
}

static bool check_depth(const struct dbc *dbc, const struct dbc_signal *signal,
			struct dbc_error *ret_error)
{
	int parent = signal->parent;

	for (unsigned depth = 0; parent >= 0; depth++) {
		if (depth == DBC_DEPTH_MAX)
			return fail_at(signal, "its multiplexers are nested too deep or in a ring",
				       ret_error);
		parent = dbc->signals[parent].parent;
	}
	return true;
}

bool dbc_link(struct dbc *dbc, struct dbc_error *ret_error)
{
	for (size_t i = 0; i < dbc->signal_count; i++) {
		struct dbc_signal *signal = &dbc->signals[i];
		const struct dbc_message *message = &dbc->messages[signal->message];
		bool several;
		int parent;

		if (signal->range_count == 0 || signal->named_parent)
			continue;
		parent = multiplexer_of(dbc, message, &several);
		if (parent < 0)
			return fail_at(signal, "multiplexed, but its message has no multiplexer",
				       ret_error);
		if (several)
			return fail_at(signal,
				       "several multiplexers: SG_MUL_VAL_ must say which one",
				       ret_error);
		signal->parent = parent;
	}
	for (size_t i = 0; i < dbc->signal_count; i++)
		if (!check_depth(dbc, &dbc->signals[i], ret_error))
			return false;
	return true;
}
