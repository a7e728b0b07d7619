#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/protocol/obd2.h"
#include "agent/source/obd.h"
#include "provider/obd/obd.h"

#define WORD_MAX 40
#define PERIOD_MAX_US INT64_C(86400000000)

static bool parse_period(const char *text, int64_t *ret_us)
{
	static const struct {
		const char *name;
		int64_t us;
	} units[] = {{"ms", 1000}, {"s", 1000000}, {"min", 60000000}};
	char *end;
	const long long value = strtoll(text, &end, 10);

	if (end == text || value <= 0 || value > 86400000)
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].name) != 0)
			continue;
		*ret_us = value * units[i].us;
		return *ret_us <= PERIOD_MAX_US;
	}
	return false;
}

static const struct obd2_pid_info *parse_pid(const char *text)
{
	unsigned long value;
	char *end;

	if (strncmp(text, "0x", 2) != 0 && strncmp(text, "0X", 2) != 0)
		return obd2_pid_find(text);
	value = strtoul(text + 2, &end, 16);
	if (end == text + 2 || *end || value > 0xff)
		return NULL;
	return obd2_pid_info((uint8_t)value);
}

/* Returns 0 or what is wrong with the word. */
static const char *parse_word(char *word, struct obd_want *ret_want)
{
	char *colon = strchr(word, ':');
	const struct obd2_pid_info *info;

	ret_want->period_us = 0;
	if (colon) {
		*colon = '\0';
		if (!parse_period(colon + 1, &ret_want->period_us))
			return "a period in ms, s or min, up to a day, after";
	}
	info = parse_pid(word);
	if (!info)
		return "a parameter such as speed or 0x0D instead of";
	if (obd_field(info->pid) < 0)
		return "a parameter that has a canonical field instead of";
	ret_want->pid = info->pid;
	return NULL;
}

int obd_wants_parse(const char *text, struct obd_want out[static OBD_WANTS_MAX], char *problem,
		    size_t size)
{
	static const char separators[] = " ,\t";
	int count = 0;

	for (text += strspn(text, separators); *text; text += strspn(text, separators)) {
		const size_t len = strcspn(text, separators);
		const char *wrong = NULL;
		char word[WORD_MAX];

		if (count == OBD_WANTS_MAX) {
			(void)snprintf(problem, size, "at most %d parameters", OBD_WANTS_MAX);
			return -EINVAL;
		}
		(void)snprintf(word, sizeof(word), "%.*s", (int)(len < WORD_MAX ? len : WORD_MAX),
			       text);
		wrong = parse_word(word, &out[count]);
		for (int i = 0; i < count && !wrong; i++)
			if (out[i].pid == out[count].pid)
				wrong = "each parameter once, not again";
		if (wrong) {
			(void)snprintf(problem, size, "%s '%s'", wrong, word);
			return -EINVAL;
		}
		count++;
		text += len;
	}
	return count;
}
