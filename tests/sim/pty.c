#include "tests/sim/pty.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include <termios.h>
#include <unistd.h>

#define PATH_SIZE 512

static int point(const char *link, const char *target)
{
	char fresh[PATH_SIZE];

	if (snprintf(fresh, sizeof(fresh), "%s.new", link) >= (int)sizeof(fresh))
		return -ENAMETOOLONG;
	unlink(fresh);
	return symlink(target, fresh) == 0 && rename(fresh, link) == 0 ? 0 : -errno;
}

int pty_open(const char *link, int *ret_master, int *ret_keeper)
{
	struct termios raw;
	char slave[64];
	int keeper = -1;
	int master;
	int rc;

	master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (master < 0)
		return -errno;
	if (grantpt(master) != 0 || unlockpt(master) != 0 ||
	    ptsname_r(master, slave, sizeof(slave)) != 0)
		goto fail;
	keeper = open(slave, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (keeper < 0 || tcgetattr(keeper, &raw) != 0)
		goto fail;
	cfmakeraw(&raw);
	if (tcsetattr(keeper, TCSANOW, &raw) != 0)
		goto fail;
	rc = point(link, slave);
	if (rc < 0)
		goto out;
	*ret_master = master;
	*ret_keeper = keeper;
	return 0;
fail:
	rc = -errno;
out:
	close(master);
	if (keeper >= 0)
		close(keeper);
	return rc;
}
