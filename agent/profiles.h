/* The vehicle profiles that are installed: a folder of files, each loaded when it is first asked
 * for, and once.
 *
 * One thread; what was loaded lives as long as the shelf.
 */
#ifndef AGENT_PROFILES_H
#define AGENT_PROFILES_H

#include <stddef.h>
#include <stdio.h>

#include "provider/obd/profile.h"

struct profiles;

/* `dir` is copied; it need not exist until something of it is asked for. Returns 0 or -ENOMEM. */
int profiles_create(const char *dir, struct profiles **ret_profiles);
void profiles_destroy(struct profiles *profiles); /* NULL is accepted */

/* By name (NAME.conf of the folder) or, where `name` has a slash, by path. Requests are judged by
 * obd2_request_allowed(). Returns 0; -EINVAL for mistakes in the file; -ENOENT where there is none;
 * -errno. All are told to `errors`, mistakes with file and line. */
int profiles_get(struct profiles *profiles, const char *name, FILE *errors,
		 const struct profile **ret_profile);

/* Loads all of the folder, in the order of their names; files that do not load are told to `errors`
 * and passed over. Returns 0 or -errno where the folder cannot be read. */
int profiles_load_all(struct profiles *profiles, FILE *errors);

/* Those that are loaded; NULL past the last. */
const struct profile *profiles_at(const struct profiles *profiles, size_t index);

#endif
