/* Bits out of the bytes of a CAN frame, in the two orders that vehicle networks use. */
#ifndef AGENT_PROTOCOL_BITS_H
#define AGENT_PROTOCOL_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Intel order: bit 0 is the least significant of the first byte, `start` the least significant of
 * the number. False where the data does not reach that far or `bits` is not 1..64. */
static inline bool bits_intel(const uint8_t *data, size_t len, size_t start, unsigned bits,
			      uint64_t *ret_raw)
{
	uint64_t raw = 0;

	if (bits < 1 || bits > 64 || start + bits > len * 8)
		return false;
	for (unsigned i = 0; i < bits; i++)
		raw |= (uint64_t)(data[(start + i) / 8] >> (start + i) % 8 & 1) << i;
	*ret_raw = raw;
	return true;
}

/* Motorola order, as DBC files count: bits are numbered as above, but `start` is the most significant
 * bit of the number, which goes on to the right and then into the next byte's most significant bit. */
static inline bool bits_motorola(const uint8_t *data, size_t len, size_t start, unsigned bits,
				 uint64_t *ret_raw)
{
	/* Counted from the most significant bit of the first byte, the number is a plain run. */
	const size_t first = start / 8 * 8 + (7 - start % 8);
	uint64_t raw = 0;

	if (bits < 1 || bits > 64 || first + bits > len * 8)
		return false;
	for (unsigned i = 0; i < bits; i++)
		raw = raw << 1 | (data[(first + i) / 8] >> (7 - (first + i) % 8) & 1);
	*ret_raw = raw;
	return true;
}

#endif
