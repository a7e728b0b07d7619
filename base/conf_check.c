#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/conf.h"

/* With the command that mends it, unless the path is too long for a message. */
static int say_open(struct conf *conf, const struct conf_sect *sect, const char *key,
		    const char *path)
{
	char expected[sizeof(((struct conf_error *)0)->expected)];
	const int len = snprintf(expected, sizeof(expected),
				 "a file that only its owner may read (chmod 600 %s)", path);

	return conf_add_error(conf, sect, key,
			      len > 0 && (size_t)len < sizeof(expected)
				      ? expected
				      : "a file that only its owner may read (chmod 600)");
}

int conf_check_secret(struct conf *conf, const struct conf_sect *sect, const char *key)
{
	const char *path = conf_text(sect, key);
	struct stat info;

	if (path[0] == '\0')
		return 0;
	if (stat(path, &info) != 0 || !S_ISREG(info.st_mode))
		return conf_add_error(conf, sect, key, "a file that exists");
	if (info.st_mode & 077)
		return say_open(conf, sect, key, path);
	return 0;
}

bool conf_host_is_loopback(const char *host)
{
	struct in6_addr v6;
	struct in_addr v4;

	if (strcmp(host, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, host, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}
