#include "tests/bench/rows.h"

#include <inttypes.h>
#include <stdio.h>

void rows_put(struct rows *rows, const char *name, double value, const char *unit, int64_t n,
	      double target)
{
	const bool met = value <= target;

	rows->missed = rows->missed || (target > 0 && !met);
	if (!rows->as_json) {
		(void)printf("%-64s %10.1f %-16s", name, value, unit);
		if (target > 0)
			(void)printf("  %s: %g", met ? "met" : "NOT MET", target);
		(void)printf("\n");
		return;
	}
	(void)printf(
		"{\"name\":\"%s.%s\",\"peer\":null,\"value\":%.2f,\"unit\":\"%s\",\"n\":%" PRId64
		",\"target\":",
		rows->prefix, name, value, unit, n);
	if (target > 0)
		(void)printf("%g,\"met\":%s}\n", target, met ? "true" : "false");
	else
		(void)printf("null,\"met\":null}\n");
}
