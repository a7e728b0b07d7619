#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cloud/http/access.h"
#include "cloud/main/core.h"
#include "storage/coredb/auth.h"

void core_admin_token_path(const struct core *core, char *out, size_t size)
{
	(void)snprintf(out, size, "%s/admin.token", core->state_dir);
}

static int count_token(void *arg, const struct coredb_token *token)
{
	int *count = arg;

	(void)token;
	(*count)++;
	return 1;
}

/* Written before the database knows it: a token that nobody can read would lock everybody out. */
static int write_file(const char *path, const char *secret)
{
	char line[72];
	int len = snprintf(line, sizeof(line), "%s\n", secret);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (fchmod(fd, 0600) < 0 || write(fd, line, (size_t)len) != len || fsync(fd) < 0)
		r = errno ? -errno : -EIO;
	if (close(fd) < 0 && !r)
		r = -errno;
	return r;
}

static int make_token(struct core *core, struct coredb *db, int64_t now_ms)
{
	struct coredb_token token = {.name = "admin",
				     .roles = "ops accounts admin system",
				     .workspaces = "*",
				     .expires_at_ms = MODEL_NO_TIME,
				     .revoked_at_ms = MODEL_NO_TIME};
	char path[700];
	char secret[COREDB_SECRET_SIZE];
	int r = access_secret(secret);

	if (r)
		return r;
	core_admin_token_path(core, path, sizeof(path));
	r = write_file(path, secret);
	if (!r)
		r = coredb_token_add(db, &token, secret, now_ms);
	explicit_bzero(secret, sizeof(secret));
	return r;
}

int core_admin_token(struct core *core, bool *ret_made)
{
	struct coredb *db = NULL;
	char error[300] = "";
	int count = 0;
	bool made = false;
	int r;

	r = coredb_open(core->database_url, 0, &db, error, sizeof(error));
	if (r) {
		(void)fprintf(stderr, "%s: %s\n", core->database_url, error);
		return r;
	}
	r = coredb_begin_aside(db);
	if (!r)
		r = coredb_token_each(db, count_token, &count);
	if (r >= 0 && count == 0) {
		r = make_token(core, db, clock_wall_ms(core->clock));
		made = !r;
	}
	if (r >= 0)
		r = coredb_commit(db);
	if (r < 0)
		(void)fprintf(stderr, "the first token cannot be made: %s: %s\n", strerror(-r),
			      coredb_error(db));
	else
		*ret_made = made;
	coredb_close(db);
	return r < 0 ? r : 0;
}
