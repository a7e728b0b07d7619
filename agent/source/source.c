#include "agent/source/source.h"

#include <string.h>

#include "agent/source/bus.h"
#include "agent/source/gps.h"
#include "agent/source/obd.h"

static const struct source_ops *const kinds[] = {
#ifdef CONFIG_SOURCE_OBD
	&source_obd_ops,
#endif
#ifdef CONFIG_SOURCE_GPS
	&source_gps_ops,
#endif
#ifdef CONFIG_SOURCE_BUS
	&source_j1939_ops,
	&source_can_ops,
#endif
	NULL,
};

const struct source_ops *source_kind_at(size_t index)
{
	return index < sizeof(kinds) / sizeof(kinds[0]) ? kinds[index] : NULL;
}

const struct source_ops *source_kind(const char *kind)
{
	const struct source_ops *ops;

	for (size_t i = 0; (ops = source_kind_at(i)) != NULL; i++)
		if (strcmp(ops->kind, kind) == 0)
			return ops;
	return NULL;
}

const char *source_state_name(enum source_state state)
{
	static const char *const names[] = {"ok", "silent", "error"};

	return (unsigned)state < sizeof(names) / sizeof(names[0]) ? names[state] : NULL;
}
