#include "tests/conformance/obd_path.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/protocol/elm327_adapter.h"
#include "agent/source/obd_target.h"
#include "base/buf.h"

#define SIGNAL_SET_MAX ((size_t)1 << 20)

/* ---- a signal set from a row ---- */

/* A 29-bit identifier, whole (18DB33F1) or without its priority, as signal sets write it: priority,
 * header, tester. */
static void put_long_header(struct jw *w, const char *header, size_t len)
{
	char priority[3] = "18", middle[5] = "", tester[3] = "";

	if (len == 8)
		memcpy(priority, header, 2);
	memcpy(middle, header + len - 6, 4);
	memcpy(tester, header + len - 2, 2);
	jw_text(w, "pri", priority);
	jw_text(w, "hdr", middle);
	jw_text(w, "tst", tester);
}

/* Rows shorten 29-bit identifiers as signal sets do, but leave out priority and tester where these
 * are not OBD's own: FC00 and FE007B (or 17FE007B) mean request 17FC007B and answer 17FE007B. */
static void put_address(struct jw *w, const char *header, const char *response)
{
	const size_t header_len = strlen(header), len = response ? strlen(response) : 0;
	char priority[3] = "17";

	if (response)
		jw_text(w, "rax", response);
	if (header_len == 6 || header_len == 8) {
		put_long_header(w, header, header_len);
		return;
	}
	jw_text(w, "hdr", header);
	if (strncmp(header, "FC", 2) != 0 || (len != 6 && len != 8))
		return;
	if (len == 8)
		memcpy(priority, response, 2);
	jw_text(w, "pri", priority);
	jw_text(w, "tst", response + len - 2);
}

struct set_writer {
	struct jw w;
	const struct conform_run *run;
	const struct jr_value *row;
};

static void put_copy(struct set_writer *writer, const struct jr_value *value)
{
	const char *raw = NULL;
	size_t len = 0;

	jr_raw(writer->run->doc, value, &raw, &len);
	jw_put_raw(&writer->w, raw, len);
}

static int put_member(void *arg, const char *key, size_t key_len, const struct jr_value *value)
{
	struct set_writer *writer = arg;

	(void)key_len;
	jw_key(&writer->w, key);
	put_copy(writer, value);
	return 0;
}

/* As wide as the tolerance with which values are compared: the recorded value itself must show. */
static void put_bounds(struct set_writer *writer, const char *id)
{
	const struct jr_value *recorded = jr_get(jr_get(writer->row, "recorded_values"), id);
	double value = 0, slack;

	if (!jr_number(recorded, &value) || jr_get(jr_get(writer->row, "strict_values"), id))
		return;
	slack = 1e-4 * fabs(value);
	jw_num(&writer->w, "min", value - slack);
	jw_num(&writer->w, "max", value + slack);
}

static int put_signal(void *arg, const char *key, size_t key_len, const struct jr_value *format)
{
	struct set_writer *writer = arg;

	jw_open_object(&writer->w);
	jw_key(&writer->w, "id");
	jw_put_string(&writer->w, key, key_len);
	jw_text(&writer->w, "name", "recorded");
	jw_key(&writer->w, "fmt");
	jw_open_object(&writer->w);
	(void)jr_each(format, put_member, writer);
	put_bounds(writer, key);
	jw_close_object(&writer->w);
	jw_close_object(&writer->w);
	return 0;
}

static int open_set(struct conform_run *run, const struct jr_value *row, struct buf *out,
		    struct set_writer *writer)
{
	const char *header = conform_need_text(run, row, "request_header");
	const char *request = conform_need_text(run, row, "request");
	const char *extended = conform_text(row, "extended_address");
	char service[3] = "";

	if (!header || !request)
		return -EINVAL;
	if (strlen(request) < 2)
		return conform_bad(run, jr_get(row, "request"), "\"request\": too short");
	memcpy(service, request, 2);
	buf_init(out, SIGNAL_SET_MAX);
	jw_init(&writer->w, out);
	writer->run = run;
	writer->row = row;
	jw_open_object(&writer->w);
	jw_key(&writer->w, "commands");
	jw_open_array(&writer->w);
	jw_open_object(&writer->w);
	put_address(&writer->w, header, conform_text(row, "response_id"));
	if (extended)
		jw_text(&writer->w, "eax", extended);
	jw_key(&writer->w, "cmd");
	jw_open_object(&writer->w);
	jw_text(&writer->w, service, request + 2);
	jw_close_object(&writer->w);
	jw_int(&writer->w, "freq", 1);
	jw_key(&writer->w, "signals");
	jw_open_array(&writer->w);
	return 0;
}

static const char *close_set(struct buf *out, struct set_writer *writer)
{
	jw_close_array(&writer->w);
	jw_close_object(&writer->w);
	jw_close_array(&writer->w);
	jw_close_object(&writer->w);
	return buf_text(out);
}

/* ---- the way ---- */

/* Loads the set; what the loader says becomes the row's mistake. */
static int load(struct conform_run *run, const char *text, struct obd_path *path)
{
	char *said = NULL;
	size_t len = 0;
	FILE *errors = open_memstream(&said, &len);
	int err;

	if (!errors)
		return -ENOMEM;
	err = profile_parse(text, strlen(text), "signal set of the row", obd2_request_allowed,
			    errors, &path->profile);
	(void)fclose(errors);
	if (err == -EINVAL) {
		while (len > 0 && said[len - 1] == '\n')
			said[--len] = '\0';
		(void)conform_bad(run, NULL, "%s", said);
	}
	free(said);
	return err;
}

static int find_way(struct conform_run *run, const struct jr_value *row, struct obd_path *path)
{
	const char *sent = conform_text(row, "request");
	struct diag_target target;

	path->command = profile_command(path->profile, 0);
	if (!path->command)
		return conform_bad(run, NULL, "its signal set has no command");
	if (obd2_request_text(path->command->request, path->command->request_len, path->request) ||
	    !sent || strcmp(path->request, sent) != 0)
		return conform_bad(run, NULL, "its request becomes \"%s\"", path->request);
	target = obd_target(&path->command->ecu);
	/* The rows are of CAN at 500 kbit/s; the number tells what identifiers look like. */
	path->config = elm327_target_config(&target, target.id_bits == 29 ? 7 : 6);
	return 0;
}

static int open_path(struct conform_run *run, const struct jr_value *row, struct buf *out,
		     struct set_writer *writer, struct obd_path *path)
{
	const char *text = close_set(out, writer);
	int err = text ? load(run, text, path) : out->error;

	if (!err)
		err = find_way(run, row, path);
	if (err)
		obd_path_close(path);
	return err;
}

int obd_path_open(struct conform_run *run, const struct jr_value *row, struct obd_path *path)
{
	struct set_writer writer;
	struct buf out = {0};
	int err = open_set(run, row, &out, &writer);

	path->profile = NULL;
	if (!err) {
		(void)jr_each(jr_get(row, "formats"), put_signal, &writer);
		err = open_path(run, row, &out, &writer, path);
	}
	buf_free(&out);
	return err;
}

int obd_path_open_one(struct conform_run *run, const struct jr_value *row, const char *id,
		      const struct jr_value *format, struct obd_path *path)
{
	struct set_writer writer;
	struct buf out = {0};
	int err = open_set(run, row, &out, &writer);

	path->profile = NULL;
	if (!err) {
		(void)put_signal(&writer, id, strlen(id), format);
		err = open_path(run, row, &out, &writer, path);
	}
	buf_free(&out);
	return err;
}

void obd_path_close(struct obd_path *path)
{
	profile_free(path->profile);
	path->profile = NULL;
}

/* ---- what was said ---- */

static void hand_over(const struct elm327_reply *reply, obd_path_fn *fn, void *arg)
{
	const uint8_t *data;
	uint32_t id = 0;
	size_t len = 0;

	for (size_t i = 0; (data = elm327_message(reply, i, &id, &len)) != NULL; i++)
		fn(arg, id, data, len);
}

void obd_path_feed(struct obd_path *path, const char *raw, obd_path_fn *fn, void *arg)
{
	elm327_begin(&path->reply, path->request, &path->config);
	for (; *raw; raw++) {
		if (!elm327_feed(&path->reply, *raw == '\n' ? '\r' : (uint8_t)*raw))
			continue;
		hand_over(&path->reply, fn, arg);
		elm327_begin(&path->reply, path->request, &path->config);
	}
	(void)elm327_feed(&path->reply, '\r');
	(void)elm327_feed(&path->reply, '>');
	hand_over(&path->reply, fn, arg);
}

bool obd_path_value(const struct obd_path *path, const char *id, const uint8_t *data, size_t len,
		    struct profile_value *ret_value)
{
	const int index = profile_signal_find(path->profile, id);

	return index >= 0 &&
	       profile_decode(path->profile, profile_signal(path->profile, (size_t)index), data,
			      len, ret_value) == PROFILE_VALUE;
}
