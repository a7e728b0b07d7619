/* Preloaded into a program under test: adjtimex(2) says what the file that FRESHET_TEST_KERNEL_CLOCK names
 * says, "synced" or anything else, so that a test can be the one who steers the clock. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>

static int says_synced(void)
{
	const char *path = getenv("FRESHET_TEST_KERNEL_CLOCK");
	FILE *file = path ? fopen(path, "re") : NULL;
	char word[16] = "";

	if (!file)
		return 0;
	if (!fgets(word, sizeof(word), file))
		word[0] = '\0';
	(void)fclose(file);
	return strncmp(word, "synced", strlen("synced")) == 0;
}

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): glibc names it __ntx */
int adjtimex(struct timex *state)
{
	const int synced = says_synced();

	memset(state, 0, sizeof(*state));
	state->status = synced ? STA_PLL : STA_UNSYNC;
	state->maxerror = synced ? 1500 : 16000000;
	return synced ? TIME_OK : TIME_ERROR;
}
