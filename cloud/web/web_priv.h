/* What cmake/EmbedFiles.cmake writes into web_files.c. */
#ifndef CLOUD_WEB_WEB_PRIV_H
#define CLOUD_WEB_WEB_PRIV_H

#include "cloud/web/web.h"

extern const struct web_file web_files[];
extern const size_t web_file_count;

#endif
