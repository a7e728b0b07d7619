#include "agent/drop.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void drop_init(struct drop *drop)
{
	*drop = (struct drop){.filter.class = -1};
}

/* A number from 1 on; returns what follows it, NULL where there is none. */
static const char *parse_number(const char *text, int64_t *ret_number)
{
	char *end;

	errno = 0;
	*ret_number = strtoll(text, &end, 10);
	if (end == text || errno || *ret_number < 1 || text[0] < '0' || text[0] > '9')
		return NULL;
	return end;
}

static int parse_range(struct spool_filter *filter, const char *text)
{
	const char *at = parse_number(text, &filter->first);

	filter->last = filter->first;
	if (at && *at == '-')
		at = parse_number(at + 1, &filter->last);
	return at && *at == '\0' && filter->last >= filter->first ? 0 : -EINVAL;
}

int drop_parse_batches(struct drop *drop, const char *text)
{
	const size_t len = strcspn(text, ":");

	if (len >= sizeof(drop->epoch) || !ids_valid(text, len))
		return -EINVAL;
	memcpy(drop->epoch, text, len);
	drop->epoch[len] = '\0';
	drop->filter.epoch = drop->epoch;
	return text[len] == ':' ? parse_range(&drop->filter, text + len + 1) : 0;
}

int drop_parse_class(struct drop *drop, const char *text)
{
	for (int class = WIRE_CLASS_SAMPLE; class < WIRE_CLASS_LEDGER; class ++)
		if (strcmp(text, wire_class_name((enum wire_class) class)) == 0) {
			drop->filter.class = class;
			return 0;
		}
	return -EINVAL;
}

void drop_format(const struct drop *drop, char out[static DROP_TEXT_MAX])
{
	const struct spool_filter *filter = &drop->filter;

	(void)snprintf(out, DROP_TEXT_MAX, "%s %" PRId64 " %" PRId64 " %d %" PRId64,
		       filter->epoch ? filter->epoch : "-", filter->first, filter->last,
		       filter->class, filter->older_than_ms);
}

/* The next number of a line, after one space; false where there is none. */
static bool take_number(const char **at, int64_t min, int64_t max, int64_t *ret_number)
{
	char *end;

	if (**at != ' ')
		return false;
	errno = 0;
	*ret_number = strtoll(*at + 1, &end, 10);
	if (end == *at + 1 || errno || *ret_number < min || *ret_number > max)
		return false;
	*at = end;
	return true;
}

int drop_parse(struct drop *drop, const char *line)
{
	struct spool_filter *filter = &drop->filter;
	const size_t len = strcspn(line, " ");
	const char *at = line + len;
	int64_t class;

	drop_init(drop);
	if (len == 0 || len >= sizeof(drop->epoch))
		return -EINVAL;
	memcpy(drop->epoch, line, len);
	drop->epoch[len] = '\0';
	if (strcmp(drop->epoch, "-") != 0)
		filter->epoch = drop->epoch;
	if (!take_number(&at, 0, INT64_MAX, &filter->first) ||
	    !take_number(&at, filter->first, INT64_MAX, &filter->last) ||
	    !take_number(&at, -1, WIRE_CLASS_LEDGER - 1, &class) ||
	    !take_number(&at, 0, INT64_MAX, &filter->older_than_ms) || *at != '\0')
		return -EINVAL;
	filter->class = (int)class;
	return 0;
}
