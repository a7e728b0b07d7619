/* What the files of handlers share. */
#ifndef CLOUD_HTTP_ROUTES_PRIV_H
#define CLOUD_HTTP_ROUTES_PRIV_H

#include "cloud/http/api.h"

/* False (and answered) where the argument `name` is not what it should be. */
bool api_refuse(struct api_call *call, const char *name, const char *detail);
bool api_take_page(struct api_call *call, struct query_page *page);
bool api_take_flag(struct api_call *call, const char *name, bool *ret);
/* A cursor that is not ours is the asker's mistake, everything else is not. */
int api_finish(struct api_call *call, int r);

/* routes_loss.c */
int api_get_gaps(struct api_call *call);
int api_get_gap(struct api_call *call);
int api_dismiss_gap(struct api_call *call);
int api_get_indicators(struct api_call *call);

#endif
