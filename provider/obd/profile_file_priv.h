/* What the files of our own format share: profile_file.c (the file, its head, its commands),
 * profile_file_signal.c (its signals), profile_text.c (lists and numbers in a value). */
#ifndef PROVIDER_OBD_PROFILE_FILE_PRIV_H
#define PROVIDER_OBD_PROFILE_FILE_PRIV_H

#include "base/conf.h"
#include "provider/obd/profile_priv.h"

#define PROFILE_ITEM_SIZE 64

/* A section that is being read. */
struct profile_section {
	struct profile_build *build;
	const struct conf_sect *sect;
	const char *kind;
};

#define PROFILE_FAULT(s, key, ...)                                                                 \
	profile_build_fault((s)->build, (s)->kind, conf_name((s)->sect),                           \
			    conf_line((s)->sect, key), key, __VA_ARGS__)

/* Reads a [signal]. Returns 0, -EINVAL (said), -ENOMEM. */
int profile_read_signal(const struct profile_section *in);

/* The next word of a list; false at its end. A word that is too long is cut: it fits nothing. */
bool profile_next_item(const char **at, char out[static PROFILE_ITEM_SIZE]);
/* Decimal digits up to `most`; without `ret_rest` the text must end there. */
bool profile_parse_unsigned(const char *text, uint32_t most, uint32_t *ret_value,
			    const char **ret_rest);
/* "7EC": 1..8 digits. */
bool profile_parse_hex(const char *text, uint32_t *ret_value);
/* A raw value: decimal, or hexadecimal with 0x. */
bool profile_parse_raw(const char *text, double *ret_value, const char **ret_rest);
/* "5" or "5..9". */
bool profile_parse_range(const char *text, struct profile_null *null);
/* "39", "39..41": whole numbers up to `most`; an end that is left out is 0 where `open`. */
bool profile_parse_span(const char *text, uint32_t most, bool open, uint16_t *ret_first,
			uint16_t *ret_last);
/* "96 16": two whole numbers. */
bool profile_parse_pair(const char *text, uint32_t most_first, uint32_t most_second,
			uint32_t *ret_first, uint32_t *ret_second);

#endif
