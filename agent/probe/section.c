#include "agent/probe/section.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX ((size_t)1024 * 1024)
#define SECTION_MAX ((size_t)4096)

void probe_section_print(const struct probe_section *section, struct buf *out)
{
	buf_printf(out, "[source %s]\n", section->name);
	if (section->comment && section->comment[0])
		buf_printf(out, "# %s\n", section->comment);
	buf_printf(out, "kind = obd\ndevice = %s\n", section->device);
	if (section->baud)
		buf_printf(out, "baud = %u\n", section->baud);
	buf_printf(out, "device_id = %s\n", section->device_id);
	if (section->profile && section->profile[0])
		buf_printf(out, "profile = %s\n", section->profile);
}

/* ---- what the file has already ---- */

static const char *skip_blanks(const char *text)
{
	return text + strspn(text, " \t");
}

/* What follows `word`, blanks around it aside; NULL where something else stands there. */
static const char *after(const char *text, const char *word)
{
	const size_t len = strlen(word);

	text = skip_blanks(text);
	return strncmp(text, word, len) == 0 ? skip_blanks(text + len) : NULL;
}

static bool is_section(const char *line, const char *name)
{
	const char *rest = after(line, "[");

	rest = rest ? after(rest, "source") : NULL;
	rest = rest ? after(rest, name) : NULL;
	return rest && *rest == ']';
}

static bool is_device(const char *line, const char *device)
{
	const char *rest = after(line, "device");

	rest = rest && *rest == '=' ? after(rest + 1, device) : NULL;
	return rest && strchr("\r\n", *rest);
}

/* The line, counted from 1, that is in the way; 0: none. */
static unsigned line_in_the_way(const char *text, const struct probe_section *section)
{
	unsigned number = 1;

	while (*text) {
		if (is_section(text, section->name) || is_device(text, section->device))
			return number;
		text = strchr(text, '\n');
		if (!text)
			break;
		text++;
		number++;
	}
	return 0;
}

/* ---- the file ---- */

static int read_all(int fd, struct buf *out)
{
	for (;;) {
		char *room = buf_reserve(out, 4096);
		ssize_t n;

		if (!room)
			return out->error == -EMSGSIZE ? -EFBIG : out->error;
		n = read(fd, room, 4096);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		buf_commit(out, (size_t)n);
	}
}

/* All of it, or nothing. */
static int append(int fd, const struct buf *text, size_t old_size)
{
	const ssize_t n = write(fd, text->data, text->len);
	int r = n < 0 ? -errno : -ENOSPC;

	if (n == (ssize_t)text->len && fsync(fd) == 0)
		return 0;
	if (n == (ssize_t)text->len)
		r = -errno;
	if (ftruncate(fd, (off_t)old_size) < 0)
		r = -errno;
	return r;
}

static int add_to(int fd, const struct probe_section *section, unsigned *ret_line)
{
	struct buf old, added;
	unsigned line;
	int r;

	buf_init(&old, FILE_MAX);
	buf_init(&added, SECTION_MAX);
	r = read_all(fd, &old);
	if (!r && !buf_text(&old))
		r = old.error == -EMSGSIZE ? -EFBIG : old.error;
	if (r)
		goto out;
	line = line_in_the_way(buf_text(&old), section);
	if (line) {
		*ret_line = line;
		r = -EEXIST;
		goto out;
	}
	if (old.len > 0)
		buf_puts(&added, old.data[old.len - 1] == '\n' ? "\n" : "\n\n");
	probe_section_print(section, &added);
	r = added.error ? added.error : append(fd, &added, old.len);
out:
	buf_free(&added);
	buf_free(&old);
	return r;
}

int probe_section_add(const struct probe_section *section, const char *path, unsigned *ret_line)
{
	const int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	struct stat st;
	int r;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || (S_ISREG(st.st_mode) && flock(fd, LOCK_EX) < 0))
		r = -errno;
	else
		r = S_ISREG(st.st_mode) ? add_to(fd, section, ret_line) : -EINVAL;
	if (close(fd) < 0 && !r)
		r = -errno;
	return r;
}
