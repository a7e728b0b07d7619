/* How a benchmark tells its figures: a table for people, or one JSON object a line. */
#ifndef TESTS_BENCH_ROWS_H
#define TESTS_BENCH_ROWS_H

#include <stdbool.h>
#include <stdint.h>

struct rows {
	const char *prefix; /* of the names in JSON: "wire" */
	bool as_json;
	bool missed; /* a target was */
};

/* `n`: of how many this is the figure; `target`: at most so much is met, 0: none. */
void rows_put(struct rows *rows, const char *name, double value, const char *unit, int64_t n,
	      double target);

#endif
