/* How a number stands in the bytes of a payload: a position, a byte order, a sign, a scale.
 *
 * One mechanism for everything that describes payloads as data: OBD signal sets, vehicle profiles,
 * tables of parameters. Portable, stateless; any thread.
 */
#ifndef MODEL_SIGNAL_H
#define MODEL_SIGNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum model_signal_order {
	MODEL_SIGNAL_BIG,      /* bits in the order in which they are read, the first weighs most */
	MODEL_SIGNAL_REVERSED, /* the same bits, taken as whole bytes, the last byte weighs most:
				* little-endian where start and bits are multiples of 8 */
};

struct model_signal {
	uint32_t start; /* bit offset from the most significant bit of the first byte */
	uint8_t bits;   /* 1..64 */
	enum model_signal_order order;
	bool is_signed;       /* two's complement */
	double mul, div, add; /* value = raw * mul / div + add; div is not 0 */
};

/* The raw number, sign-extended where the signal has a sign (as int64_t in uint64_t). Returns false,
 * with *ret_raw untouched, where the payload does not reach that far or the description is none
 * (no bits, more than 64, reversed bits that are no whole bytes). */
bool model_signal_raw(const struct model_signal *signal, const uint8_t *data, size_t len,
		      uint64_t *ret_raw);

/* The raw number on its scale. */
double model_signal_scale(const struct model_signal *signal, uint64_t raw);

#endif
