#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/conformance/conformance.h"

/* ---- walking ---- */

static int add_file(struct conform_files *files, const char *path)
{
	struct conform_file *all;

	if (files->count == CONFORM_FILES_MAX) {
		(void)fprintf(stderr, "more than %d files\n", CONFORM_FILES_MAX);
		return -E2BIG;
	}
	/* Grown by doubling: whenever the count is a power of two. */
	if ((files->count & (files->count - 1)) == 0) {
		all = realloc(files->all,
			      (files->count ? 2 * files->count : 1) * sizeof(*files->all));
		if (!all)
			return -ENOMEM;
		files->all = all;
	}
	files->all[files->count] = (struct conform_file){.path = strdup(path)};
	return files->all[files->count++].path ? 0 : -ENOMEM;
}

static int walk(const struct conform_options *options, const char *below, unsigned depth,
		struct conform_files *files);

static int visit(const struct conform_options *options, const char *below, const char *name,
		 unsigned depth, struct conform_files *files)
{
	char path[4096], whole[8192];
	struct stat st;
	const int n = snprintf(path, sizeof(path), "%s%s%s", below, below[0] ? "/" : "", name);

	if (n < 0 || (size_t)n >= sizeof(path)) {
		(void)fprintf(stderr, "%s: %s\n", name, strerror(ENAMETOOLONG));
		return -ENAMETOOLONG;
	}
	(void)snprintf(whole, sizeof(whole), "%s/%s", options->folder, path);
	if (stat(whole, &st)) {
		(void)fprintf(stderr, "%s: %s\n", whole, strerror(errno));
		return -errno;
	}
	if (S_ISDIR(st.st_mode))
		return walk(options, path, depth + 1, files);
	return S_ISREG(st.st_mode) ? add_file(files, path) : 0;
}

static int walk(const struct conform_options *options, const char *below, unsigned depth,
		struct conform_files *files)
{
	struct dirent **list = NULL;
	char path[8192];
	int n, err = 0;

	(void)snprintf(path, sizeof(path), "%s/%s", options->folder, below);
	if (depth > CONFORM_DEPTH_MAX) {
		(void)fprintf(stderr, "%s: folders deeper than %d\n", path, CONFORM_DEPTH_MAX);
		return -ELOOP;
	}
	n = scandir(path, &list, NULL, alphasort);
	if (n < 0) {
		err = -errno;
		(void)fprintf(stderr, "%s: %s\n", path, strerror(-err));
		return err;
	}
	for (int i = 0; i < n; i++) {
		if (!err && list[i]->d_name[0] != '.')
			err = visit(options, below, list[i]->d_name, depth, files);
		free(list[i]);
	}
	free((void *)list);
	return err;
}

/* ---- recognising ---- */

static int keep_key(void *arg, const char *key, size_t key_len, const struct jr_value *value)
{
	struct conform_file *file = arg;
	const size_t have = strlen(file->keys);

	(void)value;
	if (have + key_len + 3 >= sizeof(file->keys))
		return 1;
	(void)snprintf(file->keys + have, sizeof(file->keys) - have, "%s%s", have ? ", " : "", key);
	return 0;
}

static int recognise(struct conform_run *run, const struct jr_value *first)
{
	struct conform_file *file = run->state;

	file->kind = conform_kind_of(first);
	if (jr_type(first) == JR_ARRAY)
		first = jr_at(first, 0);
	(void)jr_each(first, keep_key, file);
	return 0;
}

struct listing {
	struct conform_files *files;
	const char *by; /* the file that lists */
};

/* The file that `name` means in a list: beside the list. */
static struct conform_file *find_listed(const struct listing *listing, const char *name)
{
	const char *slash = strrchr(listing->by, '/');
	const size_t folder = slash ? (size_t)(slash - listing->by) + 1 : 0;

	for (size_t i = 0; i < listing->files->count; i++) {
		const char *path = listing->files->all[i].path;

		if (strncmp(path, listing->by, folder) == 0 && strcmp(path + folder, name) == 0)
			return &listing->files->all[i];
	}
	return NULL;
}

static int take_list(struct conform_run *run, const struct jr_value *value)
{
	const struct listing *listing = run->state;
	const size_t count = jr_type(value) == JR_ARRAY ? jr_count(value) : 1;

	for (size_t i = 0; i < count; i++) {
		const struct jr_value *row = jr_type(value) == JR_ARRAY ? jr_at(value, i) : value;
		const char *name = conform_text(row, "file");
		struct conform_file *file = name ? find_listed(listing, name) : NULL;

		if (!name)
			return conform_bad(run, row, "\"file\": expected a text");
		if (!file)
			return conform_bad(run, row, "%s: no such file beside the list", name);
		file->listed = listing->by;
	}
	return 0;
}

static void recognise_all(const struct conform_options *options, struct conform_files *files)
{
	for (size_t i = 0; i < files->count; i++) {
		struct conform_file *file = &files->all[i];
		struct conform_run run = {.options = options, .file = file->path, .state = file};

		if (conform_read_first(&run, &file->shape, recognise))
			file->failed = true;
	}
	for (size_t i = 0; i < files->count; i++) {
		struct conform_file *file = &files->all[i];
		struct listing listing = {.files = files, .by = file->path};
		struct conform_run run = {
			.options = options, .file = file->path, .state = &listing};

		if (file->kind && file->kind->lists && conform_read(&run, file->shape, take_list))
			file->failed = true;
	}
}

int conform_files_find(const struct conform_options *options, struct conform_files *ret)
{
	struct conform_files files = {0};
	int err = walk(options, "", 0, &files);

	if (err) {
		conform_files_free(&files);
		return err;
	}
	recognise_all(options, &files);
	*ret = files;
	return 0;
}

void conform_files_free(struct conform_files *files)
{
	for (size_t i = 0; i < files->count; i++)
		free(files->all[i].path);
	free(files->all);
}
