/* Golden files: what stands on the wire and on disk, byte for byte.
 *
 * A suite says which bytes it makes; they must equal tests/golden/<name>. After an intended change
 * FRESHET_GOLDEN_WRITE=1 in the environment writes the files instead; read the diff before
 * committing it. Suites that include this define FRESHET_GOLDEN, the folder.
 */
#ifndef TESTS_GOLDEN_GOLDEN_H
#define TESTS_GOLDEN_GOLDEN_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void golden_path(const char *name, char path[static 512])
{
	int len = snprintf(path, 512, "%s/%s", FRESHET_GOLDEN, name);

	assert_in_range(len, 1, 511);
}

/* The file's bytes, NUL-terminated, which the caller frees. */
static inline char *golden_read(const char *name, size_t *ret_len)
{
	enum { SIZE_MAX_READ = 1 << 20 };
	char path[512];
	char *data = malloc(SIZE_MAX_READ);
	FILE *f;

	golden_path(name, path);
	f = fopen(path, "rb");
	if (!f || !data) {
		free(data);
		fail_msg("cannot read %s", path);
		return NULL;
	}
	*ret_len = fread(data, 1, SIZE_MAX_READ - 1, f);
	data[*ret_len] = '\0';
	(void)fclose(f);
	return data;
}

static inline void golden_write(const char *name, const void *data, size_t len)
{
	char path[512];
	FILE *f;

	golden_path(name, path);
	f = fopen(path, "wb");
	if (!f)
		fail_msg("cannot write %s", path);
	else if (fwrite(data, 1, len, f) != len || fclose(f) != 0)
		fail_msg("cannot write %s to its end", path);
}

/* Fails where the bytes are not those of the file. */
static inline void golden_check(const char *name, const void *data, size_t len)
{
	size_t golden_len = 0;
	char *golden;

	if (getenv("FRESHET_GOLDEN_WRITE")) {
		golden_write(name, data, len);
		return;
	}
	golden = golden_read(name, &golden_len);
	if (golden_len != len || memcmp(golden, data, len) != 0)
		print_error("%s has changed; now:\n%.*s\n", name, (int)len, (const char *)data);
	assert_int_equal(golden_len, len);
	assert_memory_equal(golden, data, len);
	free(golden);
}

#endif
