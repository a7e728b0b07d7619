/* A condition over the signals of a profile: "ac_charging = 1 or dc_charging = 1",
 * "relay = 1 and ignition = 0 and current < -1".
 *
 * Alternatives (or) of conjunctions (and) of comparisons (= != < <= > >=) of a signal's value, in the
 * source's unit, with a number. Three-valued: a signal that is not known makes its comparison unknown,
 * and unknown is neither true nor false (Kleene): false and unknown is false, true or unknown is true.
 */
#ifndef PROVIDER_OBD_CONDITION_H
#define PROVIDER_OBD_CONDITION_H

#include <stdbool.h>
#include <stddef.h>

#define CONDITION_TERMS_MAX 16

struct profile;
struct profile_condition;

enum truth { TRUTH_UNKNOWN = -1, TRUTH_FALSE = 0, TRUTH_TRUE = 1 };

/* The value of a signal now; false where it is not known. */
typedef bool condition_value_fn(void *arg, size_t signal, double *ret_value);

/* Evaluates with values in the source's unit. A NULL condition is unknown. */
enum truth condition_eval(const struct profile_condition *condition, condition_value_fn *value,
			  void *arg);

/* For the loaders. Returns 0 with *ret_condition (free with condition_free()), -ENOMEM, or -EINVAL
 * with what was expected in `expected`. `find` is the index of a signal by name, -1: none. */
int condition_parse(const char *text, int (*find)(void *arg, const char *id), void *arg,
		    char *expected, size_t size, struct profile_condition **ret_condition);
void condition_free(struct profile_condition *condition); /* NULL is accepted */

#endif
