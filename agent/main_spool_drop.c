/* freshet-agent spool drop: gives up what an operator does not want sent. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/drop.h"
#include "agent/main_priv.h"
#include "base/conf.h"

/* Fills in what is to go. Returns an exit code. */
static int read_options(const struct options *options, struct drop *drop)
{
	drop_init(drop);
	if (options->batches && drop_parse_batches(drop, options->batches))
		return main_usage_error(
			"--batches: expected EPOCH, EPOCH:NUMBER or EPOCH:FIRST-LAST, as spool ls "
			"shows them",
			options->batches);
	if (options->class && drop_parse_class(drop, options->class))
		return main_usage_error("--class: expected sample, state or alarm", options->class);
	if (options->older && (conf_parse_duration(options->older, &drop->filter.older_than_ms) ||
			       drop->filter.older_than_ms == 0))
		return main_usage_error("--older: expected a duration such as '2 h'",
					options->older);
	if (!options->all && !options->batches && !options->class && !options->older)
		return main_usage_error("spool drop: say what: --all, --class, --older or "
					"--batches",
					NULL);
	if (options->all && (options->batches || options->class || options->older))
		return main_usage_error("spool drop: --all stands alone", NULL);
	if (!options->yes)
		return main_usage_error("spool drop gives up for good what the core does not have "
					"yet, and states it as lost: say --yes",
					NULL);
	return EXIT_DONE;
}

static int drop_stopped(const struct agent_config *config, const struct drop *drop,
			int64_t *ret_records)
{
	struct main_spool spool;
	int r;

	r = main_spool_open(config, &spool);
	if (r)
		return r;
	r = spool_drop(spool.spool, &drop->filter, ret_records);
	if (r)
		(void)fprintf(stderr, "freshet-agent: %s\n", spool_error(spool.spool));
	main_spool_close(&spool);
	return r;
}

/* The running agent's answer: {"records": n} or {"error": "..."}. */
static int read_answer(const struct buf *answer, int64_t *ret_records)
{
	struct jr_error error;
	struct jr_doc *doc;
	const char *problem;
	int r = jr_parse(answer->data, answer->len, &doc, &error);

	if (r)
		return r;
	problem = main_text_of(jr_root(doc), "error");
	if (problem[0]) {
		(void)fprintf(stderr, "freshet-agent: %s\n", problem);
		r = -EIO;
	}
	*ret_records = main_int_of(jr_root(doc), "records");
	jr_free(doc);
	return r;
}

static int drop_anywhere(const struct agent_config *config, const struct drop *drop,
			 int64_t *ret_records)
{
	char request[sizeof(DROP_REQUEST) + DROP_TEXT_MAX] = DROP_REQUEST;
	struct buf answer;
	int r;

	drop_format(drop, request + strlen(DROP_REQUEST));
	r = main_ask(config, request, &answer);
	if (r == -ENOENT || r == -ECONNREFUSED)
		r = drop_stopped(config, drop, ret_records);
	else if (r == 0)
		r = read_answer(&answer, ret_records);
	buf_free(&answer);
	return r;
}

int main_spool_drop(const struct agent_config *config, const struct options *options)
{
	struct drop drop;
	int64_t records = 0;
	int r = read_options(options, &drop);

	if (r)
		return r;
	r = drop_anywhere(config, &drop, &records);
	if (r)
		return main_fail("spool drop", r);
	(void)printf(options->json ? "{\"records\":%" PRId64 "}\n"
				   : "%" PRId64 " records given up, and stated as lost\n",
		     records);
	return EXIT_DONE;
}
