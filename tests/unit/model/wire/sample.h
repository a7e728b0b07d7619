/* Updates that several suites of model/wire share. */
#ifndef TESTS_UNIT_MODEL_WIRE_SAMPLE_H
#define TESTS_UNIT_MODEL_WIRE_SAMPLE_H

#include <stdio.h>
#include <string.h>

#include "model/update.h"

#define SAMPLE_AT 1795190400000 /* 2026-11-20T16:00:00Z */

static inline void sample_init(struct model_update *update, struct model_update_room *room)
{
	model_update_init(update, room);
	(void)snprintf(update->device_id, sizeof(update->device_id), "bus-12");
	(void)snprintf(update->provider, sizeof(update->provider), "obd");
	(void)snprintf(update->source, sizeof(update->source), "obd0");
	update->mono_us = 911345678;
}

static inline void sample_list(struct model_update *update, enum model_field field)
{
	static const char sessions[] = "1795180000000\0001795190400000\00042.125\0Depot S\xc3\xbc"
				       "d\0\0\0007\0\0";
	static const char warranty[] = "basic\0001795190400000\00080000.5\0battery\0\0\0";
	static const char texts[] = "P0133\0U0100\0a \"b\"\0";
	int status;

	switch (model_field_info(field)->aux) {
	case MODEL_ROWS_CHARGING_SESSION:
		status = model_update_set_text(update, field, sessions, sizeof(sessions) - 1);
		break;
	case MODEL_ROWS_WARRANTY:
		status = model_update_set_text(update, field, warranty, sizeof(warranty) - 1);
		break;
	default:
		status = model_update_set_text(update, field, texts, sizeof(texts) - 1);
		break;
	}
	assert_int_equal(status, 0);
}

/* Gives a field a value of its type, another one for each `n`. */
static inline void sample_field(struct model_update *update, enum model_field field, int n)
{
	const struct model_field_info *info = model_field_info(field);
	double span = info->max - info->min;
	char text[64];
	int status;

	switch (info->type) {
	case MODEL_TYPE_NUMBER:
		status = model_update_set_number(update, field, info->min + span * (n % 97) / 97);
		break;
	case MODEL_TYPE_TIME:
		status = model_update_set_integer(update, field, SAMPLE_AT + n);
		break;
	case MODEL_TYPE_TEXT:
		if (field == MODEL_FIELD_IDENTITY_VIN)
			(void)snprintf(text, sizeof(text), "1HGCM82633A00%04d", n % 10000);
		else
			(void)snprintf(text, sizeof(text), "t\xc3\xa4xt \"%d\"", n);
		status = model_update_set_text(update, field, text, strlen(text));
		break;
	case MODEL_TYPE_ENUM:
		status = model_update_set_integer(update, field, n % 4);
		break;
	case MODEL_TYPE_LIST:
		sample_list(update, field);
		return;
	default:
		status = model_update_set_integer(update, field,
						  (int64_t)info->min + n % ((int)span + 1));
		break;
	}
	assert_int_equal(status, 0);
}

#endif
