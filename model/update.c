#include "model/update.h"

#include <string.h>

#include "model/model_priv.h"

void model_update_init(struct model_update *update, struct model_update_room *room)
{
	update->items = room->items;
	update->item_cap = sizeof(room->items) / sizeof(room->items[0]);
	update->text = room->text;
	update->text_cap = sizeof(room->text);
	model_update_clear(update);
}

void model_update_clear(struct model_update *update)
{
	struct model_update empty = {.items = update->items,
				     .item_cap = update->item_cap,
				     .text = update->text,
				     .text_cap = update->text_cap,
				     .mono_us = MODEL_NO_TIME,
				     .at_ms = MODEL_NO_TIME};

	*update = empty;
}

static struct model_item *find(const struct model_update *update, enum model_field field)
{
	for (size_t i = 0; i < update->item_count; i++)
		if (update->items[i].field == field)
			return &update->items[i];
	return NULL;
}

const struct model_item *model_update_get(const struct model_update *update, enum model_field field)
{
	return find(update, field);
}

static bool item_has_text(const struct model_item *item)
{
	const struct model_field_info *info = model_field_info(item->field);

	return info && !item->null && model_type_has_text(info->type);
}

/* Gives up what replaced texts have left behind. */
static void compact(struct model_update *update)
{
	struct model_text *texts[MODEL_FIELD_COUNT];
	size_t count = 0;

	for (size_t i = 0; i < update->item_count; i++)
		if (item_has_text(&update->items[i]) && count < MODEL_FIELD_COUNT)
			texts[count++] = &update->items[i].value.as.text;
	model_text_compact(update->text, &update->text_len, texts, count);
}

/* What the live texts need when that of `replaced` (may be NULL) makes room for `len` bytes. */
static size_t text_need(const struct model_update *update, const struct model_item *replaced,
			size_t len)
{
	size_t need = len;

	for (size_t i = 0; i < update->item_count; i++)
		if (&update->items[i] != replaced && item_has_text(&update->items[i]))
			need += update->items[i].value.as.text.len;
	return need;
}

/* The item of `field`, made where it is absent, with room for `text_len` more bytes of text and no
 * value; NULL without space, and then nothing has changed. */
static struct model_item *prepare(struct model_update *update, enum model_field field,
				  size_t text_len)
{
	const struct model_field_info *info = model_field_info(field);
	struct model_item *item = find(update, field);

	if (!item && update->item_count == update->item_cap)
		return NULL;
	if (text_len > 0 && text_need(update, item, text_len) > update->text_cap)
		return NULL;
	if (!item)
		item = &update->items[update->item_count++];
	*item = (struct model_item){.field = (uint16_t)field, .null = true};
	if (text_len > update->text_cap - update->text_len)
		compact(update);
	if (update->module_status[info->module] == MODEL_STATUS_NOT_REQUESTED)
		update->module_status[info->module] = MODEL_STATUS_SUCCESS;
	return item;
}

int model_update_set_value(struct model_update *update, enum model_field field,
			   const struct model_value *value)
{
	const struct model_field_info *info = model_field_info(field);
	struct model_item *item;
	bool text;

	if (!info || model_validate(field, value) != MODEL_VALID)
		return MODEL_E_INVALID;
	text = model_type_has_text(info->type);
	item = prepare(update, field, text ? value->as.text.len : 0);
	if (!item)
		return MODEL_E_SPACE;
	item->null = false;
	item->value = *value;
	if (text) {
		item->value.as.text.data = update->text + update->text_len;
		if (value->as.text.len > 0)
			memcpy(update->text + update->text_len, value->as.text.data,
			       value->as.text.len);
		update->text_len += value->as.text.len;
	}
	return 0;
}

int model_update_set_number(struct model_update *update, enum model_field field, double value)
{
	const struct model_field_info *info = model_field_info(field);

	if (!info || info->type != MODEL_TYPE_NUMBER)
		return MODEL_E_INVALID;
	return model_update_set_value(update, field, &(struct model_value){.as.number = value});
}

int model_update_set_integer(struct model_update *update, enum model_field field, int64_t value)
{
	const struct model_field_info *info = model_field_info(field);

	if (!info || info->type == MODEL_TYPE_NUMBER || model_type_has_text(info->type))
		return MODEL_E_INVALID;
	return model_update_set_value(update, field, &(struct model_value){.as.integer = value});
}

int model_update_set_text(struct model_update *update, enum model_field field, const char *data,
			  size_t len)
{
	const struct model_field_info *info = model_field_info(field);

	if (!info)
		return MODEL_E_INVALID;
	if (info->type == MODEL_TYPE_ENUM)
		return model_update_set_integer(update, field,
						model_word_find(info->aux, data, len));
	if (!model_type_has_text(info->type))
		return MODEL_E_INVALID;
	return model_update_set_value(update, field, &(struct model_value){.as.text = {data, len}});
}

int model_update_set_null(struct model_update *update, enum model_field field)
{
	if (!model_field_info(field))
		return MODEL_E_INVALID;
	return prepare(update, field, 0) ? 0 : MODEL_E_SPACE;
}

void model_update_set_age(struct model_update *update, enum model_field field, int64_t age_ms)
{
	struct model_item *item = find(update, field);

	if (item)
		item->age_ms = age_ms < 0                  ? 0
			       : age_ms > MODEL_AGE_MAX_MS ? MODEL_AGE_MAX_MS
							   : age_ms;
}
