/* Runs every portable suite in one image and says so in the words that Twister looks for. */
#include <stddef.h>
#include <stdio.h>

#include "suites.h"

#define DECLARE(suite) int suite(void);
FRESHET_SUITES(DECLARE)
#undef DECLARE

#define ENTRY(suite) suite,
static int (*const suites[])(void) = {FRESHET_SUITES(ENTRY)};
#undef ENTRY

int main(void)
{
	size_t count = sizeof(suites) / sizeof(suites[0]);
	size_t failed = 0;

	for (size_t i = 0; i < count; i++)
		failed += suites[i]() != 0;
	(void)printf("%u suites, %u failed\n", (unsigned)count, (unsigned)failed);
	(void)printf("PROJECT EXECUTION %s\n", failed == 0 && count > 0 ? "SUCCESSFUL" : "FAILED");
	return failed == 0 && count > 0 ? 0 : 1;
}
