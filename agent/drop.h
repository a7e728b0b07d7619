/* What an operator wants given up, as it goes over the control socket. */
#ifndef AGENT_DROP_H
#define AGENT_DROP_H

#include "storage/spool/spool.h"

#define DROP_REQUEST "spool drop " /* and what drop_format() writes */
#define DROP_TEXT_MAX 160

struct drop {
	struct spool_filter filter;  /* .epoch points to `epoch`, or is NULL */
	char epoch[IDS_RANDOM_SIZE]; /* "" for any */
};

/* Begins with everything but ledgers. */
void drop_init(struct drop *drop);
/* EPOCH, EPOCH:NUMBER or EPOCH:FIRST-LAST. 0 or -EINVAL. */
int drop_parse_batches(struct drop *drop, const char *text);
/* sample, state or alarm. 0 or -EINVAL. */
int drop_parse_class(struct drop *drop, const char *text);

/* One line for the control socket, and back. 0 or -EINVAL. */
void drop_format(const struct drop *drop, char out[static DROP_TEXT_MAX]);
int drop_parse(struct drop *drop, const char *line);

#endif
