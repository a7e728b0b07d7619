#include "agent/renewal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

#define LOOK_US INT64_C(5000000)
#define RETRY_US INT64_C(600000000) /* after a try that said nothing of the certificate */

int renewal_init(struct renewal *renewal, const char *cert_file, const char *key_file)
{
	int n, m;

	memset(renewal, 0, sizeof(*renewal));
	if (!cert_file || !key_file)
		return 0;
	n = snprintf(renewal->new_cert, sizeof(renewal->new_cert), "%s.new", cert_file);
	m = snprintf(renewal->new_key, sizeof(renewal->new_key), "%s.new", key_file);
	if (n < 0 || m < 0 || (size_t)n >= sizeof(renewal->new_cert) ||
	    (size_t)m >= sizeof(renewal->new_key))
		return -ENAMETOOLONG;
	renewal->cert_file = cert_file;
	renewal->key_file = key_file;
	return 0;
}

static bool is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

/* A new certificate may be for the key that is in use; and after a rename that was cut off between
 * the two it is. */
static const char *key_of(const struct renewal *renewal)
{
	return is_there(renewal->new_key) ? renewal->new_key : renewal->key_file;
}

/* False where there is no new pair. */
static bool take_stamp(const struct renewal *renewal, struct renewal_stamp *ret_stamp)
{
	const char *const paths[2] = {renewal->new_cert, key_of(renewal)};
	struct renewal_stamp stamp;
	struct stat info;

	memset(&stamp, 0, sizeof(stamp));
	for (int i = 0; i < 2; i++) {
		if (stat(paths[i], &info))
			return false;
		stamp.device = info.st_dev;
		stamp.inode[i] = info.st_ino;
		stamp.size[i] = info.st_size;
		stamp.changed_ns[i] =
			(int64_t)info.st_ctim.tv_sec * 1000000000 + info.st_ctim.tv_nsec;
	}
	*ret_stamp = stamp;
	return true;
}

static bool same_stamp(const struct renewal_stamp *a, const struct renewal_stamp *b)
{
	for (int i = 0; i < 2; i++)
		if (a->inode[i] != b->inode[i] || a->size[i] != b->size[i] ||
		    a->changed_ns[i] != b->changed_ns[i])
			return false;
	return a->device == b->device;
}

static int move(const char *from, const char *to)
{
	return rename(from, to) ? -errno : file_sync_name(to);
}

static bool may_try(struct renewal *renewal, int64_t at_ms, int64_t now_us)
{
	char problem[TLS_PROBLEM_SIZE];
	struct renewal_stamp stamp;

	if (!renewal->cert_file || renewal->promoted)
		return false;
	if (!take_stamp(renewal, &stamp)) {
		renewal->problem[0] = '\0';
		renewal->refused = false;
		return false;
	}
	if (!same_stamp(&stamp, &renewal->stamp)) {
		renewal->stamp = stamp;
		renewal->refused = false;
		renewal->retry_us = 0;
		renewal->problem[0] = '\0';
	}
	if (renewal->refused || now_us < renewal->retry_us)
		return false;
	if (tls_check_pair(renewal->new_cert, key_of(renewal), at_ms, NULL, problem)) {
		(void)snprintf(renewal->problem, sizeof(renewal->problem),
			       "The new certificate is not used: %s.", problem);
		return false;
	}
	return true;
}

bool renewal_waits(struct renewal *renewal, int64_t at_ms, int64_t now_us)
{
	if (!renewal->cert_file || now_us < renewal->look_us)
		return false;
	renewal->look_us = now_us + LOOK_US;
	return !renewal->trying && may_try(renewal, at_ms, now_us);
}

void renewal_choose(struct renewal *renewal, int64_t at_ms, int64_t now_us,
		    const char **ret_cert_file, const char **ret_key_file)
{
	/* By turns: a try that failed may have failed for another reason. */
	renewal->trying = renewal->promoted || (!renewal->tried && may_try(renewal, at_ms, now_us));
	renewal->tried = renewal->trying;
	*ret_cert_file = renewal->trying ? renewal->new_cert : renewal->cert_file;
	*ret_key_file = renewal->trying ? key_of(renewal) : renewal->key_file;
}

int renewal_accepted(struct renewal *renewal, int64_t now_us)
{
	int r;

	renewal->tried = false;
	if (!renewal->trying) {
		/* The old one works: the new one can wait. */
		if (renewal->retry_us)
			renewal->retry_us = now_us + RETRY_US;
		return 0;
	}
	if (renewal->promoted)
		return 0;
	r = is_there(renewal->new_key) ? move(renewal->new_key, renewal->key_file) : 0;
	if (!r)
		r = move(renewal->new_cert, renewal->cert_file);
	renewal->trying = false;
	renewal->problem[0] = '\0';
	if (!r)
		return 1;
	renewal->promoted = true;
	renewal->trying = true;
	(void)snprintf(renewal->problem, sizeof(renewal->problem),
		       "The new certificate is used, and cannot be renamed to %s: %s.",
		       renewal->cert_file, strerror(-r));
	return r;
}

void renewal_failed(struct renewal *renewal, bool certain, const char *why, int64_t now_us)
{
	if (!renewal->trying || (renewal->promoted && !certain))
		return;
	renewal->trying = false;
	renewal->promoted = false;
	renewal->refused = certain;
	renewal->retry_us = now_us; /* soon, by turns with the old one, unless that one works */
	if (certain)
		(void)snprintf(renewal->problem, sizeof(renewal->problem),
			       "The new certificate is not used: %s.", why);
}
