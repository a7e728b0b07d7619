#include "agent/config_spool.h"

#define KIB INT64_C(1024)
#define MIB (KIB * KIB)
#define DAY_MS INT64_C(86400000)

/* What each class may hold for itself; the order is that of the classes. */
#define CLASS_KEYS(class, what)                                                                    \
	{class "_max_bytes",                                                                       \
	 CONF_SIZE,                                                                                \
	 "0",                                                                                      \
	 0,                                                                                        \
	 KIB * KIB * MIB,                                                                          \
	 NULL,                                                                                     \
	 "how many bytes of " what " the spool may hold, 0 for no limit of their own"},            \
	{                                                                                          \
		class "_max_age", CONF_DURATION, "0", 0, 3650 * DAY_MS, NULL,                      \
			"how old " what " may get, 0 for max_age"                                  \
	}
const struct conf_key config_spool_keys[] = {
	{"window", CONF_DURATION, "2 s", 0, SPOOL_WINDOW_MAX_US / 1000, NULL,
	 "how long a batch may be in memory alone, 0 for not at all"},
	{"max_bytes", CONF_SIZE, "256 MiB", MIB, KIB *KIB *MIB, NULL,
	 "how much the spool may hold"},
	{"max_age", CONF_DURATION, "0", 0, 3650 * DAY_MS, NULL,
	 "how old a batch may get, 0 for no limit"},
	{"young_max_bytes", CONF_SIZE, "8 MiB", 256 * KIB, KIB *MIB, NULL,
	 "how much is kept in memory while the disk cannot be written"},
	CLASS_KEYS("sample", "samples"),
	CLASS_KEYS("state", "states"),
	CLASS_KEYS("alarm", "alarms"),
	{"write_budget", CONF_SIZE, "0", 0, KIB *KIB *MIB, NULL,
	 "how many bytes a day may be written to the disk, 0 for no limit"},
	{"card_endurance", CONF_SIZE, "0", 0, KIB *KIB *KIB *MIB, NULL,
	 "how many bytes the card endures (TBW), 0 where it is not known"},
	{.name = NULL},
};

void config_read_spool(const struct conf_sect *sect, struct spool_config *spool)
{
	static const char *const bytes[SPOOL_CLASSES] = {"sample_max_bytes", "state_max_bytes",
							 "alarm_max_bytes"};
	static const char *const ages[SPOOL_CLASSES] = {"sample_max_age", "state_max_age",
							"alarm_max_age"};

	*spool = (struct spool_config){
		.window_us = conf_int(sect, "window") * 1000,
		.max_bytes = conf_int(sect, "max_bytes"),
		.young_max_bytes = conf_int(sect, "young_max_bytes"),
		.write_budget = conf_int(sect, "write_budget"),
		.card_endurance = conf_int(sect, "card_endurance"),
	};
	for (int class = 0; class < SPOOL_CLASSES; class ++) {
		spool->caps[class].bytes = conf_int(sect, bytes[class]);
		spool->caps[class].age_ms = conf_int(sect, ages[class]);
		if (!spool->caps[class].age_ms)
			spool->caps[class].age_ms = conf_int(sect, "max_age");
	}
}
