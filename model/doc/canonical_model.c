/* Prints docs/canonical-model.md from the model's own tables. */
#include <stdio.h>

#include "model/model.h"

static void print_words(enum model_words words)
{
	for (size_t i = 0; model_word(words, i); i++)
		printf("%s`%s`", i ? " " : "", model_word(words, i));
}

static void print_columns(const struct model_field_info *info)
{
	size_t count = 0;
	const struct model_column *columns = model_columns(info->aux, &count);

	printf("at most %.0f rows and %zu bytes", info->max, model_rows_bytes_max(info->aux));
	for (size_t i = 0; count > 1 && i < count; i++)
		printf("%s`%s`%s", i ? ", " : " of {", columns[i].name, i + 1 == count ? "}" : "");
}

static void print_field(enum model_field field)
{
	const struct model_field_info *info = model_field_info(field);

	printf("| `%s` | ", info->path);
	switch (info->type) {
	case MODEL_TYPE_NUMBER:
		printf("number | %.10g .. %.10g", info->min, info->max);
		break;
	case MODEL_TYPE_INTEGER:
		printf("integer | %.0f .. %.0f", info->min, info->max);
		break;
	case MODEL_TYPE_BOOL:
		printf("boolean | ");
		break;
	case MODEL_TYPE_TIME:
		printf("time | RFC 3339, 2000 .. 2100");
		break;
	case MODEL_TYPE_TEXT:
		printf("text | %.0f .. %.0f bytes", info->min, info->max);
		break;
	case MODEL_TYPE_ENUM:
		printf("word | ");
		print_words(info->aux);
		break;
	case MODEL_TYPE_LIST:
		printf("list | ");
		print_columns(info);
		break;
	}
	printf(" |\n");
}

int main(void)
{
	printf("# The canonical model\n\n"
	       "Made from `model/fields.def` by `cmake --build build/dev --target docs`; a test "
	       "compares.\n\n"
	       "Names carry their unit last. A field that is absent from an update is unchanged, "
	       "one that is `null` is\nknown to be unknown; not known is never 0. Values outside "
	       "of what stands here are nulled and counted.\nA dot nests one object.\n\n"
	       "Module status:");
	for (enum model_status i = 0; i < MODEL_STATUS_COUNT; i++)
		printf(" `%s`", model_status_name(i));
	printf(".\n\nCapability of a provider for a module:");
	for (enum model_capability i = 0; i < MODEL_CAPABILITY_COUNT; i++)
		printf(" `%s`", model_capability_name(i));
	printf(".\n");
	for (enum model_module m = 0; m < MODEL_MODULE_COUNT; m++) {
		printf("\n## %s\n\n| field | type | what it can have |\n|---|---|---|\n",
		       model_module_name(m));
		for (enum model_field f = model_module_first(m); f < model_module_end(m); f++)
			print_field(f);
	}
	return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
