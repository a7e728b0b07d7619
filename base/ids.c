#include "base/ids.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/types.h>

#define ULID_MS_MAX ((INT64_C(1) << 48) - 1)

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool ids_valid(const char *text, size_t len)
{
	if (len < 1 || len > IDS_MAX || !is_alnum(text[0]))
		return false;
	for (size_t i = 1; i < len; i++) {
		if (!is_alnum(text[i]) && text[i] != '.' && text[i] != '_' && text[i] != '-')
			return false;
	}
	return true;
}

bool ids_assignable(const char *text, size_t len)
{
	static const char reserved[] = "events";

	if (!ids_valid(text, len))
		return false;
	return len != sizeof(reserved) - 1 || memcmp(text, reserved, len) != 0;
}

static int random_bytes(unsigned char *out, size_t len)
{
	while (len) {
		ssize_t n = getrandom(out, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		out += n;
		len -= (size_t)n;
	}
	return 0;
}

int ids_random(char out[static IDS_RANDOM_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char bytes[16];
	int r = random_bytes(bytes, sizeof(bytes));

	if (r < 0)
		return r;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[IDS_RANDOM_SIZE - 1] = '\0';
	return 0;
}

/* Writes the low 5 * `width` bits of `value` as base 32, most significant digit first. */
static void put_base32(char *out, uint64_t value, int width)
{
	static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

	for (int i = width - 1; i >= 0; i--) {
		out[i] = digits[value & 31];
		value >>= 5;
	}
}

int ids_ulid(int64_t ms, char out[static IDS_ULID_SIZE])
{
	unsigned char bytes[10];
	uint64_t high = 0;
	uint64_t low = 0;
	int r;

	if (ms < 0 || ms > ULID_MS_MAX)
		return -EINVAL;
	r = random_bytes(bytes, sizeof(bytes));
	if (r < 0)
		return r;
	/* 80 bits are two halves of 40 bits, eight digits each. */
	for (size_t i = 0; i < 5; i++) {
		high = high << 8 | bytes[i];
		low = low << 8 | bytes[i + 5];
	}
	put_base32(out, (uint64_t)ms, 10);
	put_base32(out + 10, high, 8);
	put_base32(out + 18, low, 8);
	out[IDS_ULID_SIZE - 1] = '\0';
	return 0;
}

bool ids_secret_equal(const void *a, const void *b, size_t len)
{
	/* volatile: the compiler may not leave the loop at the first difference. */
	const volatile unsigned char *x = a;
	const volatile unsigned char *y = b;
	unsigned char difference = 0;

	for (size_t i = 0; i < len; i++)
		difference = (unsigned char)(difference | (x[i] ^ y[i]));
	return difference == 0;
}
