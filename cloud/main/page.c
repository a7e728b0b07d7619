#include "cloud/http/api.h"
#include "cloud/main/core.h"

#ifdef CONFIG_DASHBOARD
#include <string.h>

#include "cloud/web/web.h"

bool core_page_file(const char *path, struct api_file *ret_file)
{
	const struct web_file *file = web_find(path, strlen(path));

	if (!file)
		return false;
	*ret_file = (struct api_file){file->type, file->etag, file->data, file->size};
	return true;
}
#else
bool core_page_file(const char *path, struct api_file *ret_file)
{
	(void)path;
	(void)ret_file;
	return false;
}
#endif
