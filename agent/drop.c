#include "agent/drop.h"

#include <errno.h>
#include <inttypes.h>
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

int drop_parse(struct drop *drop, const char *line)
{
	struct spool_filter *filter = &drop->filter;
	int end = 0;

	drop_init(drop);
	if (sscanf(line, "%32s %" SCNd64 " %" SCNd64 " %d %" SCNd64 "%n", drop->epoch,
		   &filter->first, &filter->last, &filter->class, &filter->older_than_ms,
		   &end) != 5 ||
	    line[end] != '\0')
		return -EINVAL;
	if (filter->first < 0 || filter->last < filter->first || filter->class < -1 ||
	    filter->class >= WIRE_CLASS_LEDGER || filter->older_than_ms < 0)
		return -EINVAL;
	if (strcmp(drop->epoch, "-") != 0)
		filter->epoch = drop->epoch;
	return 0;
}
