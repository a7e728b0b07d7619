#include "provider/obd/condition.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/decimal.h"

#define NAME_SIZE 64

enum comparison { EQUAL, UNEQUAL, LESS, AT_MOST, MORE, AT_LEAST };

struct term {
	size_t signal;
	enum comparison comparison;
	double number;
	bool begins; /* an alternative: "or" stands before it */
};

struct profile_condition {
	size_t count;
	struct term terms[CONDITION_TERMS_MAX];
};

/* ---- evaluation ---- */

static bool compare(double value, enum comparison comparison, double number)
{
	switch (comparison) {
	case EQUAL:
		return !(value < number) && !(value > number);
	case UNEQUAL:
		return value < number || value > number;
	case LESS:
		return value < number;
	case AT_MOST:
		return value <= number;
	case MORE:
		return value > number;
	case AT_LEAST:
		return value >= number;
	}
	return false;
}

static enum truth eval_term(const struct term *term, condition_value_fn *value, void *arg)
{
	double number = 0;

	if (!value(arg, term->signal, &number))
		return TRUTH_UNKNOWN;
	return compare(number, term->comparison, term->number) ? TRUTH_TRUE : TRUTH_FALSE;
}

static enum truth both(enum truth a, enum truth b)
{
	if (a == TRUTH_FALSE || b == TRUTH_FALSE)
		return TRUTH_FALSE;
	return a == TRUTH_TRUE && b == TRUTH_TRUE ? TRUTH_TRUE : TRUTH_UNKNOWN;
}

static enum truth either(enum truth a, enum truth b)
{
	if (a == TRUTH_TRUE || b == TRUTH_TRUE)
		return TRUTH_TRUE;
	return a == TRUTH_FALSE && b == TRUTH_FALSE ? TRUTH_FALSE : TRUTH_UNKNOWN;
}

enum truth condition_eval(const struct profile_condition *condition, condition_value_fn *value,
			  void *arg)
{
	enum truth any = TRUTH_FALSE;
	enum truth all = TRUTH_TRUE;

	if (!condition)
		return TRUTH_UNKNOWN;
	for (size_t i = 0; i < condition->count; i++) {
		const struct term *term = &condition->terms[i];

		if (term->begins) {
			any = either(any, all);
			all = TRUTH_TRUE;
		}
		all = both(all, eval_term(term, value, arg));
	}
	return either(any, all);
}

/* ---- parsing ---- */

struct parser {
	const char *at;
	int (*find)(void *arg, const char *id);
	void *arg;
	char *expected;
	size_t size;
};

static void skip_blanks(struct parser *in)
{
	in->at += strspn(in->at, " \t");
}

static int refuse(struct parser *in, const char *expected)
{
	(void)snprintf(in->expected, in->size, "%s, not \"%.24s\"", expected,
		       *in->at ? in->at : "the end");
	return -EINVAL;
}

static bool in_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.';
}

static size_t word_len(const char *text)
{
	size_t n = 0;

	while (in_word(text[n]))
		n++;
	return n;
}

static int parse_signal(struct parser *in, struct term *term)
{
	char id[NAME_SIZE];
	size_t len;
	int signal;

	skip_blanks(in);
	len = word_len(in->at);
	if (len == 0 || len >= sizeof(id))
		return refuse(in, "the name of a signal");
	memcpy(id, in->at, len);
	id[len] = '\0';
	signal = in->find(in->arg, id);
	if (signal < 0) {
		(void)snprintf(in->expected, in->size,
			       "the name of a signal that is a number, not \"%s\"", id);
		return -EINVAL;
	}
	in->at += len;
	term->signal = (size_t)signal;
	return 0;
}

static int parse_comparison(struct parser *in, struct term *term)
{
	/* The longer first. */
	static const struct {
		const char *text;
		enum comparison comparison;
	} comparisons[] = {
		{"!=", UNEQUAL}, {"<=", AT_MOST}, {">=", AT_LEAST},
		{"=", EQUAL},    {"<", LESS},     {">", MORE},
	};

	skip_blanks(in);
	for (size_t i = 0; i < sizeof(comparisons) / sizeof(comparisons[0]); i++) {
		const size_t len = strlen(comparisons[i].text);

		if (strncmp(in->at, comparisons[i].text, len) != 0)
			continue;
		in->at += len;
		term->comparison = comparisons[i].comparison;
		return 0;
	}
	return refuse(in, "one of = != < <= > >=");
}

static int parse_number(struct parser *in, struct term *term)
{
	const char *rest;

	skip_blanks(in);
	if (!decimal_parse(in->at, &term->number, &rest) || in_word(*rest))
		return refuse(in, "a number");
	in->at = rest;
	return 0;
}

static int parse_term(struct parser *in, struct term *term)
{
	int r = parse_signal(in, term);

	if (r < 0)
		return r;
	r = parse_comparison(in, term);
	return r < 0 ? r : parse_number(in, term);
}

/* Between terms: "and" or "or". */
static int parse_link(struct parser *in, bool *ret_or)
{
	const size_t len = word_len(in->at);

	if (len == 3 && memcmp(in->at, "and", 3) == 0)
		*ret_or = false;
	else if (len == 2 && memcmp(in->at, "or", 2) == 0)
		*ret_or = true;
	else
		return refuse(in, "\"and\" or \"or\"");
	in->at += len;
	return 0;
}

static int parse_terms(struct parser *in, struct profile_condition *condition)
{
	bool begins = false;

	for (;;) {
		struct term *term = &condition->terms[condition->count];
		int r;

		if (condition->count == CONDITION_TERMS_MAX)
			return refuse(in, "at most 16 comparisons");
		term->begins = begins;
		r = parse_term(in, term);
		if (r < 0)
			return r;
		condition->count++;
		skip_blanks(in);
		if (!*in->at)
			return 0;
		r = parse_link(in, &begins);
		if (r < 0)
			return r;
	}
}

int condition_parse(const char *text, int (*find)(void *arg, const char *id), void *arg,
		    char *expected, size_t size, struct profile_condition **ret_condition)
{
	struct parser in = {
		.at = text, .find = find, .arg = arg, .expected = expected, .size = size};
	struct profile_condition *condition = calloc(1, sizeof(*condition));
	int r;

	if (!condition)
		return -ENOMEM;
	r = parse_terms(&in, condition);
	if (r < 0) {
		condition_free(condition);
		return r;
	}
	*ret_condition = condition;
	return 0;
}

void condition_free(struct profile_condition *condition)
{
	free(condition);
}
