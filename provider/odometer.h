/* A guard for odometers: what one says is believed only where the time since the last reading can
 * explain it.
 *
 * Clusters say 0, or count up from 0, while they wake; several units keep counts of their own; a
 * garbled count can pass every check of its frame. So:
 *	the first reading is believed;
 *	one that lies ahead by no more than ODOMETER_KMH and ODOMETER_SLACK_KM explain is believed;
 *	one that lies behind by no more than the slack is not given: the count will pass it;
 *	any other is held back, and becomes the new truth when ODOMETER_CONFIRM readings in a row,
 *	each explained by the one before it, have said so over at least ODOMETER_CONFIRM_US: the
 *	cluster was replaced, or the first reading was the wrong one.
 *
 * Pure; one owner.
 */
#ifndef PROVIDER_ODOMETER_H
#define PROVIDER_ODOMETER_H

#include <stdbool.h>
#include <stdint.h>

#define ODOMETER_KMH 200.0
#define ODOMETER_SLACK_KM 5.0 /* rounding to whole km or miles, and a reading's delay */
#define ODOMETER_CONFIRM 4
#define ODOMETER_CONFIRM_US (2 * INT64_C(60000000))

struct odometer {
	bool known;
	double km;
	int64_t at_us;
	int held; /* readings in a row that contradict it; 0: none */
	double held_km;
	int64_t held_first_us, held_last_us;
};

/* Forgets everything: another vehicle. */
void odometer_reset(struct odometer *odometer);

/* May a reading be given? */
bool odometer_accept(struct odometer *odometer, double km, int64_t mono_us);

#endif
