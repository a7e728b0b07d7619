#include "model/signal.h"

#define BITS_MAX 64U

/* As they are read: the first bit weighs most. The caller has checked the bounds. */
static uint64_t take_bits(const uint8_t *data, uint32_t start, unsigned bits)
{
	const uint8_t *at = data + start / 8;
	unsigned skip = start % 8;
	uint64_t raw = 0;

	while (bits > 0) {
		const unsigned have = 8 - skip;
		const unsigned take = have < bits ? have : bits;
		const unsigned part = ((unsigned)*at >> (have - take)) & (0xffU >> (8 - take));

		raw = raw << take | part;
		bits -= take;
		skip = 0;
		at++;
	}
	return raw;
}

static uint64_t reverse_bytes(uint64_t raw, unsigned bits)
{
	uint64_t out = 0;

	for (unsigned i = 0; i < bits; i += 8) {
		out = out << 8 | (raw & 0xff);
		raw >>= 8;
	}
	return out;
}

static uint64_t mask_of(unsigned bits)
{
	return UINT64_MAX >> (BITS_MAX - bits);
}

static bool described(const struct model_signal *signal)
{
	if (signal->bits < 1 || signal->bits > BITS_MAX)
		return false;
	return signal->order != MODEL_SIGNAL_REVERSED || signal->bits % 8 == 0;
}

bool model_signal_raw(const struct model_signal *signal, const uint8_t *data, size_t len,
		      uint64_t *ret_raw)
{
	uint64_t raw;

	if (!described(signal) || ((uint64_t)signal->start + signal->bits + 7) / 8 > len)
		return false;
	raw = take_bits(data, signal->start, signal->bits);
	if (signal->order == MODEL_SIGNAL_REVERSED)
		raw = reverse_bytes(raw, signal->bits);
	if (signal->is_signed && raw >> (signal->bits - 1) & 1)
		raw |= ~mask_of(signal->bits);
	*ret_raw = raw;
	return true;
}

double model_signal_scale(const struct model_signal *signal, uint64_t raw)
{
	const double number = signal->is_signed ? (double)(int64_t)raw : (double)raw;

	return number * signal->mul / signal->div + signal->add;
}
