#include "tests/faults/fault_image.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

struct bytes {
	unsigned char *data;
	size_t len, cap;
};

struct list {
	int64_t *items; /* positions in the journal */
	size_t count, cap;
};

struct name {
	char *text;
	int file;
};

struct names {
	struct name *items;
	size_t count, cap;
};

struct image_file {
	struct bytes synced;
	struct list pending;
};

struct fault_image {
	const struct fault_disk *disk;
	int64_t position;
	struct image_file *files; /* by the file's number */
	size_t file_count;
	struct names names;        /* synced */
	struct list pending_names; /* makings and deletions that are not */
};

static void *must(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

static uint32_t next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return (uint32_t)(*seed >> 24);
}

static void push(struct list *list, int64_t item)
{
	if (list->count == list->cap) {
		list->cap = list->cap ? 2 * list->cap : 16;
		list->items = must(realloc(list->items, list->cap * sizeof(*list->items)));
	}
	list->items[list->count++] = item;
}

static void resize(struct bytes *bytes, size_t len)
{
	if (len > bytes->cap) {
		bytes->cap = len > 2 * bytes->cap ? len : 2 * bytes->cap;
		bytes->data = must(realloc(bytes->data, bytes->cap));
	}
	if (len > bytes->len)
		memset(bytes->data + bytes->len, 0, len - bytes->len);
	bytes->len = len;
}

static void put_bytes(struct bytes *bytes, int64_t offset, const unsigned char *data, size_t len)
{
	size_t end = (size_t)offset + len;

	if (len == 0)
		return;
	if (end > bytes->len)
		resize(bytes, end);
	if (bytes->data)
		memcpy(bytes->data + offset, data, len);
}

static void apply_data(struct bytes *bytes, const struct fault_change *change, size_t len)
{
	if (change->kind == FAULT_TRUNCATED)
		resize(bytes, (size_t)change->offset);
	else
		put_bytes(bytes, change->offset, change->data, len);
}

/* Names. */

static void forget_name(struct names *names, const char *text)
{
	size_t i;

	for (i = 0; i < names->count; i++) {
		if (strcmp(names->items[i].text, text) != 0)
			continue;
		free(names->items[i].text);
		names->items[i] = names->items[--names->count];
		return;
	}
}

static void add_name(struct names *names, const char *text, int file)
{
	forget_name(names, text);
	if (names->count == names->cap) {
		names->cap = names->cap ? 2 * names->cap : 16;
		names->items = must(realloc(names->items, names->cap * sizeof(*names->items)));
	}
	names->items[names->count++] = (struct name){must(strdup(text)), file};
}

/* A file has one name: where it got another one past SQLite, the old one is gone. */
static void forget_file(struct names *names, int file)
{
	size_t i;

	for (i = 0; i < names->count; i++)
		if (names->items[i].file == file) {
			forget_name(names, names->items[i].text);
			return;
		}
}

static void apply_name(struct names *names, const struct fault_change *change)
{
	if (change->kind == FAULT_DELETED) {
		forget_name(names, change->name);
		return;
	}
	forget_file(names, change->file);
	add_name(names, change->name, change->file);
}

static void free_names(struct names *names)
{
	size_t i;

	for (i = 0; i < names->count; i++)
		free(names->items[i].text);
	free(names->items);
	*names = (struct names){0};
}

/* Replay. */

static struct image_file *file_of(struct fault_image *image, int number)
{
	size_t count = (size_t)number + 1;

	if (count > image->file_count) {
		image->files = must(realloc(image->files, count * sizeof(*image->files)));
		memset(image->files + image->file_count, 0,
		       (count - image->file_count) * sizeof(*image->files));
		image->file_count = count;
	}
	return &image->files[number];
}

static void sync_names(struct fault_image *image)
{
	size_t i;

	for (i = 0; i < image->pending_names.count; i++)
		apply_name(&image->names,
			   fault_disk_change(image->disk, image->pending_names.items[i]));
	image->pending_names.count = 0;
}

static void sync_file(struct fault_image *image, const struct fault_change *change)
{
	struct image_file *file = file_of(image, change->file);
	const struct fault_change *pending;
	size_t i;

	for (i = 0; i < file->pending.count; i++) {
		pending = fault_disk_change(image->disk, file->pending.items[i]);
		apply_data(&file->synced, pending, pending->len);
	}
	file->pending.count = 0;
	if (change->folder)
		sync_names(image);
}

static void replay(struct fault_image *image, int64_t position, bool lying)
{
	const struct fault_change *change = fault_disk_change(image->disk, position);

	switch (change->kind) {
	case FAULT_FOUND:
		/* Somebody else put it there and saw to it: as a whole, at once. */
		sync_names(image);
		apply_name(&image->names, change);
		apply_data(&file_of(image, change->file)->synced, change, change->len);
		break;
	case FAULT_MADE:
		(void)file_of(image, change->file);
		push(&image->pending_names, position);
		break;
	case FAULT_DELETED:
		push(&image->pending_names, position);
		if (change->folder && !lying)
			sync_names(image);
		break;
	case FAULT_WRITTEN:
	case FAULT_TRUNCATED:
		push(&file_of(image, change->file)->pending, position);
		break;
	case FAULT_SYNCED:
		if (!lying)
			sync_file(image, change);
		break;
	}
}

void fault_image_advance(struct fault_image *image, int64_t position)
{
	while (image->position < position)
		replay(image, image->position++, false);
}

void fault_image_advance_lying(struct fault_image *image, int64_t position)
{
	while (image->position < position)
		replay(image, image->position++, true);
}

int64_t fault_image_unsynced(const struct fault_image *image)
{
	size_t i, count = image->pending_names.count;

	for (i = 0; i < image->file_count; i++)
		count += image->files[i].pending.count;
	return (int64_t)count;
}

/* Writing out. */

const char *fault_loss_name(enum fault_loss loss)
{
	static const char *const names[FAULT_LOSSES] = {"unsynced", "nothing", "some", "torn"};

	return names[loss];
}

/* How much of a write is there: whole sectors, or up to a byte of the last one that was begun. */
static size_t torn(const struct fault_change *change, uint64_t *seed, int sector)
{
	size_t kept, size = (size_t)sector;

	if (change->kind != FAULT_WRITTEN || next(seed) % 2)
		return change->len;
	kept = next(seed) % (change->len + 1);
	if (next(seed) % 2)
		return kept;
	kept = (kept + (size_t)change->offset) / size * size;
	return kept > (size_t)change->offset ? kept - (size_t)change->offset : 0;
}

static void add_pending(struct fault_image *image, const struct image_file *file,
			enum fault_loss loss, uint64_t *seed, int sector, struct bytes *out)
{
	const struct fault_change *change;
	size_t i;

	for (i = 0; i < file->pending.count; i++) {
		change = fault_disk_change(image->disk, file->pending.items[i]);
		if (loss != FAULT_LOSE_NOTHING && next(seed) % 2)
			continue;
		apply_data(out, change,
			   loss == FAULT_LOSE_TORN ? torn(change, seed, sector) : change->len);
	}
}

static int write_file(const char *folder, const char *name, const struct bytes *bytes)
{
	char path[512];
	FILE *out;
	int r = 0;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	out = fopen(path, "wb");
	if (!out)
		return -errno;
	if (bytes->len && fwrite(bytes->data, 1, bytes->len, out) != bytes->len)
		r = -EIO;
	if (fclose(out) && !r)
		r = -errno;
	return r;
}

static bool is_known(const struct fault_image *image, const char *name)
{
	size_t len = strlen(name);
	int64_t i;

	if (len > 4 && strcmp(name + len - 4, "-shm") == 0)
		return true;
	for (i = 0; i < fault_disk_position(image->disk); i++) {
		const char *known = fault_disk_change(image->disk, i)->name;

		if (known && strcmp(known, name) == 0)
			return true;
	}
	return false;
}

static int clear_folder(const struct fault_image *image, const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir)))
		if (is_known(image, entry->d_name) && unlinkat(dirfd(dir), entry->d_name, 0))
			r = -errno;
	(void)closedir(dir);
	return r;
}

/* The names that a cut leaves. */
static void names_after(struct fault_image *image, enum fault_loss loss, uint64_t *seed,
			struct names *out)
{
	size_t i, count = image->pending_names.count;

	for (i = 0; i < image->names.count; i++)
		add_name(out, image->names.items[i].text, image->names.items[i].file);
	if (loss == FAULT_LOSE_UNSYNCED)
		count = 0;
	else if (loss != FAULT_LOSE_NOTHING)
		count = next(seed) % (count + 1);
	for (i = 0; i < count; i++)
		apply_name(out, fault_disk_change(image->disk, image->pending_names.items[i]));
}

int fault_image_write(struct fault_image *image, enum fault_loss loss, uint64_t seed, int sector,
		      const char *folder)
{
	struct names names = {0};
	struct bytes bytes = {0};
	size_t i;
	int r;

	seed = seed * 2654435761u + 88172645463325252u;
	r = clear_folder(image, folder);
	names_after(image, loss, &seed, &names);
	for (i = 0; r == 0 && i < names.count; i++) {
		const struct image_file *file = file_of(image, names.items[i].file);

		bytes.len = 0;
		put_bytes(&bytes, 0, file->synced.data, file->synced.len);
		if (loss != FAULT_LOSE_UNSYNCED)
			add_pending(image, file, loss, &seed, sector, &bytes);
		r = write_file(folder, names.items[i].text, &bytes);
	}
	free_names(&names);
	free(bytes.data);
	return r;
}

int fault_image_create(const struct fault_disk *disk, struct fault_image **ret_image)
{
	struct fault_image *image = calloc(1, sizeof(*image));

	if (!image)
		return -ENOMEM;
	image->disk = disk;
	*ret_image = image;
	return 0;
}

void fault_image_free(struct fault_image *image)
{
	size_t i;

	if (!image)
		return;
	for (i = 0; i < image->file_count; i++) {
		free(image->files[i].synced.data);
		free(image->files[i].pending.items);
	}
	free(image->files);
	free_names(&image->names);
	free(image->pending_names.items);
	free(image);
}
