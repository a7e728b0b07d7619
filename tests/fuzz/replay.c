/* Runs a fuzzer over every file of a corpus folder, as a plain test. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX ((size_t)16 << 20)

/* Reads a whole file; the caller frees *ret. Returns 0 or -errno. */
static int read_file(const char *path, uint8_t **ret, size_t *ret_size)
{
	uint8_t *data = NULL;
	size_t size = 0;
	int err = 0;
	FILE *f = fopen(path, "rb");

	if (!f)
		return -errno;
	data = malloc(INPUT_MAX);
	if (!data) {
		err = -ENOMEM;
		goto out;
	}
	size = fread(data, 1, INPUT_MAX, f);
	if (ferror(f) || !feof(f)) {
		err = ferror(f) ? -EIO : -EFBIG;
		goto out;
	}
	*ret = data;
	*ret_size = size;
	data = NULL;
out:
	free(data);
	(void)fclose(f);
	return err;
}

/* The exact size matters: a sanitizer sees a read past the end only of an exact allocation. */
static int replay(const char *path)
{
	uint8_t *data = NULL;
	uint8_t *exact = NULL;
	size_t size = 0;
	int err = read_file(path, &data, &size);

	if (err || !data)
		return err;
	exact = malloc(size > 0 ? size : 1);
	if (!exact) {
		err = -ENOMEM;
		goto out;
	}
	memcpy(exact, data, size);
	(void)LLVMFuzzerTestOneInput(exact, size);
out:
	free(exact);
	free(data);
	return err;
}

int main(int argc, char **argv)
{
	struct dirent **list = NULL;
	int done = 0;
	int err = 0;
	int n = argc == 2 ? scandir(argv[1], &list, NULL, alphasort) : -1;

	if (n < 0) {
		(void)fprintf(stderr, "usage: %s CORPUS-FOLDER (readable)\n", argv[0]);
		return 2;
	}
	for (int i = 0; i < n; i++) {
		char path[4096];
		int len = snprintf(path, sizeof(path), "%s/%s", argv[1], list[i]->d_name);

		if (list[i]->d_name[0] == '.' || err)
			goto next;
		err = len > 0 && (size_t)len < sizeof(path) ? replay(path) : -ENAMETOOLONG;
		if (err)
			(void)fprintf(stderr, "%s: %s\n", path, strerror(-err));
		else
			done++;
next:
		free(list[i]);
	}
	free((void *)list);
	(void)printf("replayed %d inputs\n", done);
	/* An empty corpus proves nothing. */
	return err || done == 0 ? 1 : 0;
}
