/* Identifiers: names given by people, and random ones given by us. */
#ifndef BASE_IDS_H
#define BASE_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IDS_MAX 64 /* longest id, without the NUL */
#define IDS_SIZE (IDS_MAX + 1)
#define IDS_RANDOM_SIZE 33 /* 128 bits in lower-case hex and the NUL */
#define IDS_ULID_SIZE 27   /* Crockford base 32 and the NUL */

/* True for [A-Za-z0-9][A-Za-z0-9._-]{0,63}. */
bool ids_valid(const char *text, size_t len);

/* True where an id may be given to a gateway, device or vehicle: valid and not reserved
 * ("events"). */
bool ids_assignable(const char *text, size_t len);

/* 128 random bits from getrandom(2). Returns 0 or -errno. */
int ids_random(char out[static IDS_RANDOM_SIZE]);

/* A ULID (github.com/ulid/spec): 48 bits of `ms`, then 80 random bits. Returns 0 or -errno. */
int ids_ulid(int64_t ms, char out[static IDS_ULID_SIZE]);

/* Compares two secrets of `len` bytes in constant time. */
bool ids_secret_equal(const void *a, const void *b, size_t len);

#endif
