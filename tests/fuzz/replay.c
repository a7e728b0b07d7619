/* Runs a fuzzer over every file of a corpus folder, as a plain test: replay CORPUS [SECONDS]
 *
 * With SECONDS it goes on for so long with changed copies of them. The changes come from a fixed seed,
 * so that a second run does the same again; no coverage guides them (./dev fuzz does that). The input
 * that is being tried stands in the file NAME.last in the working folder, also after a crash.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

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

#define CORPUS_MAX 4096
#define CHANGED_MAX ((size_t)4096) /* of what is changed; longer inputs are cut */
#define CHANGES_MAX 8

/* The inputs of the folder. */
struct corpus {
	uint8_t *data[CORPUS_MAX]; /* owned */
	size_t size[CORPUS_MAX];
	size_t count;
};

/* The exact size matters: a sanitizer sees a read past the end only of an exact allocation. */
static int try_input(const uint8_t *data, size_t size)
{
	uint8_t *exact = malloc(size > 0 ? size : 1);

	if (!exact)
		return -ENOMEM;
	memcpy(exact, data, size);
	(void)LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	return 0;
}

static int add_file(struct corpus *corpus, const char *path)
{
	int err;

	if (corpus->count == CORPUS_MAX)
		return -E2BIG;
	err = read_file(path, &corpus->data[corpus->count], &corpus->size[corpus->count]);
	if (!err)
		corpus->count++;
	return err;
}

static int add_folder(struct corpus *corpus, const char *folder)
{
	struct dirent **list = NULL;
	const int n = scandir(folder, &list, NULL, alphasort);
	int err = n < 0 ? -errno : 0;

	for (int i = 0; i < n; i++) {
		char path[4096];
		const int len = snprintf(path, sizeof(path), "%s/%s", folder, list[i]->d_name);

		if (list[i]->d_name[0] != '.' && !err) {
			err = len > 0 && (size_t)len < sizeof(path) ? add_file(corpus, path)
								    : -ENAMETOOLONG;
			if (err)
				(void)fprintf(stderr, "%s: %s\n", path, strerror(-err));
		}
		free(list[i]);
	}
	free((void *)list);
	return err;
}

/* ---- changed copies ---- */

/* SplitMix64 (S. Vigna, public domain reference): the same numbers everywhere. */
static uint64_t dice(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static size_t below(uint64_t *state, size_t limit)
{
	return limit ? (size_t)(dice(state) % limit) : 0;
}

/* Puts a piece of another input, or of this one, at some place. */
static size_t insert(const struct corpus *corpus, uint64_t *state, uint8_t *data, size_t size)
{
	const size_t from = below(state, corpus->count);
	const size_t start = below(state, corpus->size[from]);
	const size_t at = below(state, size + 1);
	size_t len = below(state, corpus->size[from] - start + 1);

	if (len > CHANGED_MAX - size)
		len = CHANGED_MAX - size;
	memmove(data + at + len, data + at, size - at);
	memcpy(data + at, corpus->data[from] + start, len);
	return size + len;
}

static size_t cut(uint64_t *state, uint8_t *data, size_t size)
{
	const size_t at = below(state, size);
	const size_t len = below(state, size - at + 1);

	memmove(data + at, data + at + len, size - at - len);
	return size - len;
}

static size_t change(const struct corpus *corpus, uint64_t *state, uint8_t *data, size_t size)
{
	static const uint8_t telling[] = {0,   1,    0x7f, 0x80, 0xff, '\r', '\n', '>',
					  '0', '\"', '{',  '[',  ',',  ';',  '$',  '*'};
	const size_t at = below(state, size);

	switch (dice(state) % 5) {
	case 0:
		if (size)
			data[at] ^= (uint8_t)(1U << dice(state) % 8);
		return size;
	case 1:
		if (size)
			data[at] = (uint8_t)dice(state);
		return size;
	case 2:
		if (size)
			data[at] = telling[below(state, sizeof(telling))];
		return size;
	case 3:
		return cut(state, data, size);
	default:
		return insert(corpus, state, data, size);
	}
}

static double seconds_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Memory that is the file `name`: what stands there survives a crash. NULL where that cannot be. */
static uint8_t *open_last(const char *name)
{
	const int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	void *memory = MAP_FAILED;

	if (fd < 0)
		return NULL;
	if (ftruncate(fd, (off_t)CHANGED_MAX) == 0)
		memory = mmap(NULL, CHANGED_MAX, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)close(fd);
	return memory == MAP_FAILED ? NULL : memory;
}

static int try_changed(const struct corpus *corpus, const char *program, double seconds)
{
	const char *slash = strrchr(program, '/');
	const double until = seconds_now() + seconds;
	uint64_t state = 20261121;
	uint64_t tried = 0;
	char name[256];
	uint8_t *data;
	int err = 0;

	(void)snprintf(name, sizeof(name), "%s.last", slash ? slash + 1 : program);
	data = open_last(name);
	if (!data)
		return -errno;
	for (; !err && seconds_now() < until; tried++) {
		const size_t from = below(&state, corpus->count);
		size_t size = corpus->size[from] < CHANGED_MAX ? corpus->size[from] : CHANGED_MAX;

		memcpy(data, corpus->data[from], size);
		for (size_t i = 1 + below(&state, CHANGES_MAX); i > 0; i--)
			size = change(corpus, &state, data, size);
		err = try_input(data, size);
	}
	(void)munmap(data, CHANGED_MAX);
	(void)unlink(name);
	(void)printf("tried %llu changed inputs\n", (unsigned long long)tried);
	return err;
}

int main(int argc, char **argv)
{
	static struct corpus corpus;
	const double seconds = argc == 3 ? strtod(argv[2], NULL) : 0;
	int err = argc == 2 || argc == 3 ? add_folder(&corpus, argv[1]) : -EINVAL;

	if (err) {
		(void)fprintf(stderr, "usage: %s CORPUS-FOLDER [SECONDS]\n", argv[0]);
		return 2;
	}
	for (size_t i = 0; i < corpus.count && !err; i++)
		err = try_input(corpus.data[i], corpus.size[i]);
	(void)printf("replayed %zu inputs\n", corpus.count);
	if (!err && corpus.count && seconds > 0)
		err = try_changed(&corpus, argv[0], seconds);
	if (err)
		(void)fprintf(stderr, "%s: %s\n", argv[0], strerror(-err));
	for (size_t i = 0; i < corpus.count; i++)
		free(corpus.data[i]);
	/* An empty corpus proves nothing. */
	return err || !corpus.count ? 1 : 0;
}
