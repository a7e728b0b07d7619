/* The reader: text becomes a tape (json_tape.h). Nothing recurses; two allocations: the document with
 * its copy of the text, and the tape.
 *
 * Strings are decoded in place in that copy (an escape is never shorter than what it stands for) and
 * end with a NUL where their closing quote was.
 */
#include "model/wire/json.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "model/wire/json_priv.h"
#include "model/wire/json_tape.h"

#define PAD 8
/* The tape's first size: enough for what agents send, little where the text is mostly strings. */
#define BYTES_A_VALUE 10
#define FIRST_NODES 4096
/* Members whose keys are compared each with each, if at all. */
#define FEW_MEMBERS 64

struct parser {
	struct jr_doc *doc;
	char *at, *end;
	struct jr_value *tape; /* the document's, while it grows */
	size_t used, room;     /* nodes */
	size_t values;
	const char *key; /* of the value that comes next */
	uint32_t key_len;
	uint32_t open[JR_DEPTH_MAX]; /* the containers around `at` */
	unsigned depth;
	struct jr_error *error;
	int status;
};

static bool fail_at(struct parser *p, const char *where, const char *message)
{
	p->status = -EINVAL;
	p->error->offset = (size_t)(where - p->doc->text);
	(void)snprintf(p->error->message, sizeof(p->error->message), "%s", message);
	return false;
}

static bool fail_memory(struct parser *p)
{
	p->status = -ENOMEM;
	return false;
}

static uint32_t offset_of(const struct parser *p, const char *where)
{
	return (uint32_t)(where - p->doc->text);
}

static void skip_space(struct parser *p)
{
	while (*p->at == ' ' || *p->at == '\n' || *p->at == '\r' || *p->at == '\t')
		p->at++;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Room for `count` more nodes. The tape may move. */
static bool make_room(struct parser *p, size_t count)
{
	size_t room = p->room;
	struct jr_value *tape;

	if (count <= p->room - p->used)
		return true;
	while (room - p->used < count)
		room *= 2;
	tape = realloc(p->tape, room * sizeof(*tape));
	if (!tape)
		return fail_memory(p);
	p->tape = tape;
	p->room = room;
	return true;
}

/* A node for the value that begins here, with the key that was read before it; NULL on failure. */
static struct jr_value *add_node(struct parser *p, enum jr_type type)
{
	struct jr_value *node;

	if (p->values == JR_VALUES_MAX) {
		(void)fail_at(p, p->at, "too many values");
		return NULL;
	}
	if (!make_room(p, 1))
		return NULL;
	p->values++;
	if (p->depth > 0)
		p->tape[p->open[p->depth - 1]].count++;
	node = &p->tape[p->used++];
	*node = (struct jr_value){
		.key = p->key,
		.key_len = p->key_len,
		.nodes = 1,
		.raw = offset_of(p, p->at),
		.type = type,
	};
	p->key = NULL;
	p->key_len = 0;
	return node;
}

/* ---- strings ---- */

/* Is there a quote, a backslash, a control character or a byte past ASCII among these eight? */
static bool any_special(const char *s)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), high = ones * 0x80;
	uint64_t v, quote, slash;

	memcpy(&v, s, sizeof(v));
	quote = v ^ (ones * '"');
	slash = v ^ (ones * '\\');
	/* (x - n) borrows into a byte's high bit where the byte is below n. Borrows may also raise
	 * a false alarm, which costs a slower look. */
	return ((v | (v - ones * 0x20) | (quote - ones) | (slash - ones)) & high) != 0;
}

/* The first byte that is no plain ASCII of a string; the padding ends the search. */
static char *skip_plain(char *s)
{
	while ((unsigned char)*s >= 0x20 && (unsigned char)*s < 0x80 && *s != '"' && *s != '\\')
		s++;
	return s;
}

/* Eight at a time as long as that cannot pass the padding. */
static char *skip_plain_fast(const struct parser *p, char *s)
{
	while (s < p->end && !any_special(s))
		s += sizeof(uint64_t);
	return skip_plain(s);
}

/* Four hexadecimal digits; negative where there are none. */
static int32_t hex4(const char *s)
{
	int32_t code = 0;

	for (int i = 0; i < 4; i++) {
		int digit = hex_digit(s[i]);

		if (digit < 0)
			return -1;
		code = code * 16 + digit;
	}
	return code;
}

static char *put_utf8(char *to, int32_t code)
{
	if (code < 0x80) {
		*to++ = (char)code;
		return to;
	}
	if (code < 0x800) {
		*to++ = (char)(0xc0 | code >> 6);
	} else {
		if (code < 0x10000) {
			*to++ = (char)(0xe0 | code >> 12);
		} else {
			*to++ = (char)(0xf0 | code >> 18);
			*to++ = (char)(0x80 | (code >> 12 & 0x3f));
		}
		*to++ = (char)(0x80 | (code >> 6 & 0x3f));
	}
	*to++ = (char)(0x80 | (code & 0x3f));
	return to;
}

/* `*from` is behind "\u". */
static char *decode_code(struct parser *p, char **from, char *to)
{
	int32_t code = hex4(*from), low;

	if (code < 0) {
		(void)fail_at(p, *from, "expected four hexadecimal digits");
		return NULL;
	}
	*from += 4;
	if (code < 0xd800 || code > 0xdfff)
		return put_utf8(to, code);
	low = code <= 0xdbff && (*from)[0] == '\\' && (*from)[1] == 'u' ? hex4(*from + 2) : -1;
	if (low < 0xdc00 || low > 0xdfff) {
		(void)fail_at(p, *from, "half of a surrogate pair");
		return NULL;
	}
	*from += 6;
	return put_utf8(to, 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00));
}

/* `*from` is at the backslash. Returns where the next byte goes, NULL on failure. */
static char *decode_escape(struct parser *p, char **from, char *to)
{
	static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
	char c = (*from)[1];
	const char *name = c != '\0' ? strchr(names, c) : NULL;

	if (name) {
		*from += 2;
		*to = bytes[name - names];
		return to + 1;
	}
	if (c != 'u') {
		(void)fail_at(p, *from, "an escape that JSON does not know");
		return NULL;
	}
	*from += 2;
	return decode_code(p, from, to);
}

/* From the first byte that is not plain to the closing quote; `*ret_end` is where the text ends. */
static bool decode_rest(struct parser *p, char *from, char **ret_end)
{
	char *to = from;

	while (*from != '"') {
		char *plain = skip_plain(from);
		size_t n = (size_t)(plain - from);

		if (n == 0 && (unsigned char)*from >= 0x80) {
			n = json_utf8_length((unsigned char *)from, (size_t)(p->end - from));
			if (n == 0)
				return fail_at(p, from, "no UTF-8");
		}
		if (n > 0) {
			memmove(to, from, n);
			to += n;
			from += n;
		} else if (*from == '\\') {
			to = decode_escape(p, &from, to);
			if (!to)
				return false;
		} else {
			return fail_at(p, from,
				       from >= p->end ? "a string that does not end"
						      : "a control character in a string");
		}
	}
	p->at = from + 1;
	*ret_end = to;
	return true;
}

/* `at` is at the opening quote; afterwards behind the closing one. */
static bool read_string(struct parser *p, const char **ret_text, uint32_t *ret_len)
{
	char *start = p->at + 1;
	char *end = skip_plain_fast(p, start);

	if (*end == '"')
		p->at = end + 1;
	else if (!decode_rest(p, end, &end))
		return false;
	*end = '\0';
	*ret_text = start;
	*ret_len = (uint32_t)(end - start);
	return true;
}

static bool take_string(struct parser *p)
{
	struct jr_value *node = add_node(p, JR_STRING);

	if (!node || !read_string(p, &node->as.text, &node->count))
		return false;
	node->raw_len = offset_of(p, p->at) - node->raw;
	return true;
}

/* The key and its colon. */
static bool take_key(struct parser *p)
{
	const char *start;

	skip_space(p);
	start = p->at;
	if (*start != '"')
		return fail_at(p, start, "expected a key");
	if (!read_string(p, &p->key, &p->key_len))
		return false;
	/* Callers take keys for C strings. Only an escape can be a NUL, and escapes are longer. */
	if (p->at - start - 2 != (ptrdiff_t)p->key_len && memchr(p->key, '\0', p->key_len))
		return fail_at(p, start, "a key with a NUL");
	skip_space(p);
	if (*p->at != ':')
		return fail_at(p, p->at, "expected ':'");
	p->at++;
	return true;
}

/* ---- numbers ---- */

struct number {
	uint64_t digits; /* the first 19 significant, without the point */
	unsigned count;  /* of significant digits */
	int exponent;    /* of ten, that of the fraction included */
	bool negative, real;
};

static void take_digits(struct number *n, char **at, int step)
{
	uint64_t digits = n->digits;
	unsigned count = n->count;
	int exponent = n->exponent;
	char *s = *at;

	for (; is_digit(*s); s++) {
		count += count > 0 || *s != '0';
		if (count <= 19) {
			digits = digits * 10 + (uint64_t)(*s - '0');
			exponent -= step;
		}
	}
	n->digits = digits;
	n->count = count;
	n->exponent = exponent;
	*at = s;
}

/* Past 99999 it does not matter how large: strtod() looks at the text itself. */
static int take_exponent(char **at)
{
	bool negative = **at == '-';
	int value = 0;

	if (**at == '-' || **at == '+')
		(*at)++;
	for (; is_digit(**at); (*at)++)
		if (value < 99999)
			value = value * 10 + (**at - '0');
	return negative ? -value : value;
}

/* By the grammar of RFC 8259, section 6. */
static bool scan_number(struct parser *p, struct number *n)
{
	char *s = p->at;

	n->negative = *s == '-';
	s += n->negative;
	if (!is_digit(*s))
		return fail_at(p, s, "expected a digit");
	if (*s == '0' && is_digit(s[1]))
		return fail_at(p, s, "a number that begins with 0");
	take_digits(n, &s, 0);
	if (*s == '.') {
		n->real = true;
		s++;
		if (!is_digit(*s))
			return fail_at(p, s, "expected a digit");
		take_digits(n, &s, 1);
	}
	if (*s == 'e' || *s == 'E') {
		n->real = true;
		s++;
		if (!is_digit(*s) && !((*s == '+' || *s == '-') && is_digit(s[1])))
			return fail_at(p, s, "expected a digit");
		n->exponent += take_exponent(&s);
	}
	p->at = s;
	return true;
}

static bool to_integer(const struct number *n, int64_t *ret)
{
	if (n->count > 19 || n->digits > (uint64_t)INT64_MAX + n->negative)
		return false;
	*ret = n->negative ? (int64_t)(0 - n->digits) : (int64_t)n->digits;
	return true;
}

/* Where the digits and the power of ten are both exact doubles, one operation rounds correctly
 * (Clinger, How to read floating point numbers accurately, 1990). */
static bool to_real_exactly(const struct number *n, double *ret)
{
	static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
					1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
					1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
	double value = (double)n->digits;

	if (n->count > 19 || n->digits > UINT64_C(1) << 53 || n->exponent < -22 || n->exponent > 22)
		return false;
	value = n->exponent < 0 ? value / powers[-n->exponent] : value * powers[n->exponent];
	*ret = n->negative ? -value : value;
	return true;
}

static bool take_real(struct parser *p, const char *start, const struct number *n, double *ret)
{
	char *end;

	if (to_real_exactly(n, ret))
		return true;
	/* The grammar has been checked, and what follows a number here never prolongs it. */
	*ret = strtod(start, &end);
	if (end != p->at)
		return fail_at(p, start, "a number that this locale does not read");
	return isfinite(*ret) ? true : fail_at(p, start, "a number that is too large");
}

static bool take_number(struct parser *p)
{
	const char *start = p->at;
	struct number n = {.digits = 0};
	struct jr_value *node = add_node(p, JR_INTEGER);

	if (!node || !scan_number(p, &n))
		return false;
	node->raw_len = offset_of(p, p->at) - node->raw;
	if (!n.real)
		return to_integer(&n, &node->as.integer)
			       ? true
			       : fail_at(p, start, "an integer that is too large");
	node->type = JR_REAL;
	return take_real(p, start, &n, &node->as.real);
}

/* ---- objects and arrays ---- */

static bool same_key(const struct jr_value *a, const struct jr_value *b)
{
	return a->key_len == b->key_len && memcmp(a->key, b->key, a->key_len) == 0;
}

static bool fail_twice(struct parser *p, const struct jr_value *member)
{
	return fail_at(p, member->key, "a key that stands twice in its object");
}

/* One of 64, so that most keys need no comparison. */
static uint64_t key_bit(const struct jr_value *member)
{
	const unsigned char *key = (const unsigned char *)member->key;
	uint32_t h = member->key_len;

	if (h > 0)
		h = h * 31 + key[0] + key[h / 2] * 7u + key[h - 1] * 13u;
	return UINT64_C(1) << (h * UINT32_C(2654435769) >> 26);
}

static bool check_few(struct parser *p, const struct jr_value *object)
{
	const struct jr_value *member = object + 1;
	uint64_t seen = 0;

	for (uint32_t i = 0; i < object->count; i++, member = json_tape_next(member)) {
		uint64_t bit = key_bit(member);

		for (const struct jr_value *m = object + 1; (seen & bit) && m != member;
		     m = json_tape_next(m))
			if (same_key(m, member))
				return fail_twice(p, member);
		seen |= bit;
	}
	return true;
}

static int by_key(const void *a, const void *b)
{
	const struct jr_value *left = *(const struct jr_value *const *)a;
	const struct jr_value *right = *(const struct jr_value *const *)b;

	if (left->key_len != right->key_len)
		return left->key_len < right->key_len ? -1 : 1;
	return memcmp(left->key, right->key, left->key_len);
}

/* Sorted, equal keys are neighbours: n log n whatever the keys, where a hash could be attacked. */
static bool check_many(struct parser *p, const struct jr_value *object)
{
	const struct jr_value *member = object + 1;
	const struct jr_value **sorted = malloc(object->count * sizeof(struct jr_value *));
	bool ok = true;

	if (!sorted)
		return fail_memory(p);
	for (uint32_t i = 0; i < object->count; i++, member = json_tape_next(member))
		sorted[i] = member;
	qsort((void *)sorted, object->count, sizeof(struct jr_value *), by_key);
	for (uint32_t i = 1; ok && i < object->count; i++)
		if (same_key(sorted[i - 1], sorted[i]))
			ok = fail_twice(p, sorted[i - 1]->key > sorted[i]->key ? sorted[i - 1]
									       : sorted[i]);
	free((void *)sorted);
	return ok;
}

/* So that jr_at() need not walk: where elements span several nodes, a list of where each begins
 * stands behind the last, where json_tape_elements() finds it. */
static bool list_elements(struct parser *p, uint32_t index)
{
	size_t extra = json_tape_nodes_for(p->tape[index].count);
	uint32_t *list;
	uint32_t at = 1;

	if (!make_room(p, extra))
		return false;
	list = (uint32_t *)(void *)&p->tape[p->used];
	for (uint32_t i = 0; i < p->tape[index].count; i++) {
		list[i] = at;
		at += p->tape[index + at].nodes;
	}
	p->used += extra;
	return true;
}

static bool close_container(struct parser *p)
{
	uint32_t index = p->open[--p->depth];
	struct jr_value *node = &p->tape[index];
	bool ok = true;

	p->at++;
	node->raw_len = offset_of(p, p->at) - node->raw;
	if (node->type == JR_ARRAY && p->used - index - 1 > node->count)
		ok = list_elements(p, index);
	else if (node->type == JR_OBJECT && node->count > FEW_MEMBERS)
		ok = check_many(p, node);
	else if (node->type == JR_OBJECT)
		ok = check_few(p, node);
	/* list_elements() may have moved the tape. */
	p->tape[index].nodes = (uint32_t)(p->used - index);
	return ok;
}

/* Behind a value: closes what ends here. True where another value follows or, with nothing open,
 * the document is over; the caller looks at the depth. */
static bool end_value(struct parser *p)
{
	while (p->depth > 0) {
		bool object = p->tape[p->open[p->depth - 1]].type == JR_OBJECT;

		skip_space(p);
		if (*p->at == ',') {
			p->at++;
			return !object || take_key(p);
		}
		if (*p->at != (object ? '}' : ']'))
			return fail_at(p, p->at,
				       object ? "expected ',' or '}'" : "expected ',' or ']'");
		if (!close_container(p))
			return false;
	}
	return true;
}

static bool open_container(struct parser *p, enum jr_type type)
{
	char close = type == JR_OBJECT ? '}' : ']';

	if (p->depth == JR_DEPTH_MAX)
		return fail_at(p, p->at, "nested too deep");
	if (!add_node(p, type))
		return false;
	p->open[p->depth++] = (uint32_t)p->used - 1;
	p->at++;
	skip_space(p);
	if (*p->at == close)
		return close_container(p) && end_value(p);
	return type == JR_ARRAY || take_key(p);
}

static bool take_word(struct parser *p, const char *word, enum jr_type type, bool flag)
{
	size_t len = strlen(word);
	struct jr_value *node;

	if (strncmp(p->at, word, len) != 0)
		return fail_at(p, p->at, "expected a value");
	node = add_node(p, type);
	if (!node)
		return false;
	node->as.flag = flag;
	node->raw_len = (uint32_t)len;
	p->at += len;
	return true;
}

static bool take_scalar(struct parser *p)
{
	switch (*p->at) {
	case '"':
		return take_string(p);
	case 't':
		return take_word(p, "true", JR_BOOL, true);
	case 'f':
		return take_word(p, "false", JR_BOOL, false);
	case 'n':
		return take_word(p, "null", JR_NULL, false);
	default:
		break;
	}
	if (*p->at == '-' || is_digit(*p->at))
		return take_number(p);
	return fail_at(p, p->at, p->at >= p->end ? "the text ends too early" : "expected a value");
}

static bool take_value(struct parser *p)
{
	skip_space(p);
	if (*p->at == '{')
		return open_container(p, JR_OBJECT);
	if (*p->at == '[')
		return open_container(p, JR_ARRAY);
	return take_scalar(p) && end_value(p);
}

static bool take_document(struct parser *p)
{
	do
		if (!take_value(p))
			return false;
	while (p->depth > 0);
	skip_space(p);
	return p->at == p->end ? true : fail_at(p, p->at, "something behind the end");
}

static struct jr_doc *new_doc(const char *text, size_t len)
{
	struct jr_doc *doc = malloc(sizeof(*doc) + len + PAD);

	if (!doc)
		return NULL;
	doc->source = text;
	doc->tape = NULL;
	if (len > 0)
		memcpy(doc->text, text, len);
	memset(doc->text + len, 0, PAD);
	return doc;
}

int jr_parse(const char *text, size_t len, struct jr_doc **ret_doc, struct jr_error *ret_error)
{
	struct parser p = {.error = ret_error};

	if (len > JR_BYTES_MAX) {
		ret_error->offset = JR_BYTES_MAX;
		(void)snprintf(ret_error->message, sizeof(ret_error->message), "too long");
		return -EINVAL;
	}
	p.doc = new_doc(text, len);
	if (!p.doc)
		return -ENOMEM;
	p.at = p.doc->text;
	p.end = p.doc->text + len;
	p.room = len / BYTES_A_VALUE + 1 < FIRST_NODES ? len / BYTES_A_VALUE + 1 : FIRST_NODES;
	p.tape = malloc(p.room * sizeof(*p.tape));
	if (!p.tape)
		p.status = -ENOMEM;
	else
		(void)take_document(&p);
	p.doc->tape = p.tape;
	if (p.status == 0)
		*ret_doc = p.doc;
	else
		jr_free(p.doc);
	return p.status;
}
