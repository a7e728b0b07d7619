/* The last trusted time, kept over reboots for gateways without a real-time clock. */
#ifndef AGENT_SAVED_TIME_H
#define AGENT_SAVED_TIME_H

#include <stdint.h>

/* What was saved in `folder`, ms UTC; 0 where nothing readable is. */
int64_t saved_time_load(const char *folder);
/* Replaces it whole (write beside, rename). Returns 0 or -errno. */
int saved_time_store(const char *folder, int64_t ms);

#endif
