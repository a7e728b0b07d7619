/* The last trusted time, kept over reboots for gateways without a real-time clock. */
#ifndef AGENT_SAVED_TIME_H
#define AGENT_SAVED_TIME_H

#include <stdint.h>

/* What was saved in `folder`, ms UTC; 0 where nothing readable is. */
int64_t saved_time_load(const char *folder);
/* Keeps `ms` where that is later than what is saved: the time never goes backwards, whoever set the
 * clock back. Only what lies SAVED_TIME_AHEAD_MS ahead of a trusted clock is put back: a clock that
 * was wrong once must not make every certificate look expired for ever. Replaced whole and on disk
 * when it returns (write beside, sync, rename, sync). Returns 0 or -errno. */
#define SAVED_TIME_AHEAD_MS (INT64_C(30) * 86400000)
int saved_time_store(const char *folder, int64_t ms);

#endif
