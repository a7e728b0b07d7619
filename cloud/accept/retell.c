#include "cloud/accept/retell.h"

static void put_string(struct buf *out, const char *text, size_t len)
{
	struct jw w;

	jw_init(&w, out);
	jw_put_string(&w, text, len);
}

struct members {
	struct buf *out;
	bool more;
};

static int put_member(void *arg, const char *key, size_t key_len, const struct jr_value *value)
{
	struct members *members = arg;

	if (members->more)
		buf_putc(members->out, ',');
	members->more = true;
	/* A key is escaped as any text: it was written by somebody else. */
	put_string(members->out, key, key_len);
	buf_putc(members->out, ':');
	retell(members->out, value);
	return members->out->error;
}

static void put_list(struct buf *out, const struct jr_value *list)
{
	size_t count = jr_count(list);

	buf_putc(out, '[');
	for (size_t i = 0; i < count && !out->error; i++) {
		if (i > 0)
			buf_putc(out, ',');
		retell(out, jr_at(list, i));
	}
	buf_putc(out, ']');
}

static void put_scalar(struct buf *out, const struct jr_value *value)
{
	int64_t integer = 0;
	double number = 0;
	bool flag = false;
	struct jw w;

	jw_init(&w, out);
	if (jr_integer(value, &integer))
		jw_put_integer(&w, integer);
	else if (jr_number(value, &number))
		jw_put_number(&w, number);
	else if (jr_bool(value, &flag))
		jw_put_bool(&w, flag);
	else
		jw_put_null(&w);
}

/* The reader bounds the depth, so the recursion is bounded too. */
void retell(struct buf *out, const struct jr_value *value)
{
	struct members members = {out, false};
	const char *text = NULL;
	size_t len = 0;

	if (jr_type(value) == JR_OBJECT) {
		buf_putc(out, '{');
		(void)jr_each(value, put_member, &members);
		buf_putc(out, '}');
	} else if (jr_type(value) == JR_ARRAY) {
		put_list(out, value);
	} else if (jr_string(value, &text, &len)) {
		put_string(out, text, len);
	} else {
		put_scalar(out, value);
	}
}
