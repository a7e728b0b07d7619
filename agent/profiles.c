#include "agent/profiles.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "agent/protocol/obd2.h"

struct shelved {
	char *path;
	struct profile *profile;
};

struct profiles {
	char *dir;
	struct shelved *items;
	size_t count, room;
};

int profiles_create(const char *dir, struct profiles **ret_profiles)
{
	struct profiles *profiles = calloc(1, sizeof(*profiles));

	if (!profiles)
		return -ENOMEM;
	profiles->dir = strdup(dir);
	if (!profiles->dir) {
		free(profiles);
		return -ENOMEM;
	}
	*ret_profiles = profiles;
	return 0;
}

void profiles_destroy(struct profiles *profiles)
{
	if (!profiles)
		return;
	for (size_t i = 0; i < profiles->count; i++) {
		profile_free(profiles->items[i].profile);
		free(profiles->items[i].path);
	}
	free(profiles->items);
	free(profiles->dir);
	free(profiles);
}

static int make_room(struct profiles *profiles)
{
	const size_t room = profiles->room ? profiles->room * 2 : 8;
	struct shelved *items;

	if (profiles->count < profiles->room)
		return 0;
	items = realloc(profiles->items, room * sizeof(*items));
	if (!items)
		return -ENOMEM;
	profiles->items = items;
	profiles->room = room;
	return 0;
}

static int load(struct profiles *profiles, const char *path, FILE *errors,
		const struct profile **ret_profile)
{
	struct shelved item = {.path = NULL};
	int r;

	for (size_t i = 0; i < profiles->count; i++) {
		if (strcmp(profiles->items[i].path, path) == 0) {
			*ret_profile = profiles->items[i].profile;
			return 0;
		}
	}
	r = make_room(profiles);
	if (r)
		return r;
	item.path = strdup(path);
	if (!item.path)
		return -ENOMEM;
	r = profile_load(path, obd2_request_allowed, errors, &item.profile);
	if (r) {
		free(item.path);
		return r;
	}
	profiles->items[profiles->count++] = item;
	*ret_profile = item.profile;
	return 0;
}

int profiles_get(struct profiles *profiles, const char *name, FILE *errors,
		 const struct profile **ret_profile)
{
	char path[PATH_MAX];
	int r = profile_find(profiles->dir, name, path, sizeof(path));

	if (r)
		(void)fprintf(errors, "%s: neither a profile's name nor the path of one\n", name);
	else
		r = load(profiles, path, errors, ret_profile);
	return r;
}

struct load_each {
	struct profiles *profiles;
	FILE *errors;
};

static int load_one(void *arg, const char *path)
{
	const struct load_each *each = arg;
	const struct profile *profile;
	const int r = load(each->profiles, path, each->errors, &profile);

	return r == -ENOMEM ? r : 0;
}

int profiles_load_all(struct profiles *profiles, FILE *errors)
{
	struct load_each each = {profiles, errors};

	return profile_list(profiles->dir, load_one, &each);
}

const struct profile *profiles_at(const struct profiles *profiles, size_t index)
{
	return index < profiles->count ? profiles->items[index].profile : NULL;
}
