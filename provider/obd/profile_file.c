/* Freshet's own format (docs/profiles.md): an INI file. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "provider/obd/profile_file_priv.h"

#define FUNCTIONAL_11 0x7dfU
#define FUNCTIONAL_29 0x18db33f1U

/* The words of an X-macro list, separated by spaces. */
#define WORD(ident, name) name " "
#define PERIOD_MAX_MS ((int64_t)7 * 24 * 3600 * 1000)

static const struct conf_key profile_keys[] = {
	{"name", CONF_TEXT, NULL, 1, PROFILE_NAME_SIZE - 1, NULL, "what the profile is called"},
	{"title", CONF_TEXT, "", 0, PROFILE_TITLE_SIZE - 1, NULL, "the vehicles, for people"},
	{"bus", CONF_ENUM, "auto", 0, 0, "auto can11_500 can29_500 can11_250 can29_250",
	 "the bus at the vehicle's plug"},
	{"vin", CONF_TEXT, "", 0, 0, NULL, "beginnings of VINs"},
	{"detect", CONF_TEXT, "", 0, 0, NULL, "the command that only this family answers"},
	{"obdb", CONF_PATH, "", 0, 0, NULL, "an OBDb signal set (JSON, version 3)"},
	{"note", CONF_TEXT, "", 0, 0, NULL, "anything"},
	{0},
};

static const struct conf_key state_keys[] = {
#define X(ident, name) {name, CONF_TEXT, "", 0, 0, NULL, "a condition over signals"},
	PROFILE_STATES(X)
#undef X
		{"note", CONF_TEXT, "", 0, 0, NULL, "anything"},
	{0},
};

static const struct conf_key command_keys[] = {
	{"request", CONF_TEXT, "", 1, 64, NULL, "the bytes of the request, in hex"},
	{"ecu", CONF_TEXT, "all", 0, 0, NULL, "the identifiers of request and answer, or all"},
	{"extension", CONF_TEXT, "", 0, 0, NULL, "the byte of extended addressing, in hex"},
	{"tester", CONF_TEXT, "", 0, 0, NULL, "the byte of extended answers, in hex"},
	{"flow_control", CONF_BOOL, "no", 0, 0, NULL, "set flow control by hand"},
	{"period", CONF_DURATION, "0", 0, PERIOD_MAX_MS, NULL, "between two requests"},
	{"when", CONF_ENUM, "awake", 0, 0, PROFILE_WHENS(WORD), "when it may be sent"},
	{"kind", CONF_ENUM, "signals", 0, 0, PROFILE_KINDS(WORD), "what the answers are"},
	{"years", CONF_TEXT, "", 0, 0, NULL, "model years that have it"},
	{"valid_if", CONF_TEXT, "", 0, 0, NULL, "a condition over the command's signals"},
	{"note", CONF_TEXT, "", 0, 0, NULL, "anything"},
	{0},
};

static const struct conf_key signal_keys[] = {
	{"command", CONF_TEXT, "", 0, 0, NULL, "the command whose answer it stands in"},
	{"bytes", CONF_TEXT, "", 0, 0, NULL, "first byte after the echo, and how many"},
	{"bits", CONF_TEXT, "", 0, 0, NULL, "first bit after the echo, and how many"},
	{"bit", CONF_TEXT, "", 0, 0, NULL, "BYTE.BIT, bit 0 weighs 1"},
	{"order", CONF_ENUM, "big", 0, 0, "big reversed", "the order of the bytes"},
	{"signed", CONF_BOOL, "no", 0, 0, NULL, "two's complement"},
	{"mul", CONF_NUMBER, "1", 0, 0, NULL, "a factor"},
	{"div", CONF_NUMBER, "1", 0, 0, NULL, "a divisor"},
	{"add", CONF_NUMBER, "0", 0, 0, NULL, "what is added last"},
	{"min", CONF_NUMBER, "0", 0, 0, NULL, "the least plausible value"},
	{"max", CONF_NUMBER, "0", 0, 0, NULL, "the greatest plausible value"},
	{"null", CONF_TEXT, "", 0, 0, NULL, "raw values that mean not known"},
	{"null_value", CONF_TEXT, "", 0, 0, NULL, "values that mean not known"},
	{"length", CONF_TEXT, "", 0, 0, NULL, "the answers it stands in"},
	{"unit", CONF_TEXT, "", 0, 0, NULL, "the unit of the values"},
	{"negate", CONF_BOOL, "no", 0, 0, NULL, "the field has the other sign"},
	{"field", CONF_TEXT, "", 0, 0, NULL, "the canonical field that it becomes"},
	{"words", CONF_TEXT, "", 0, 0, NULL, "RAW:WORD for each raw value"},
	{"text", CONF_BOOL, "no", 0, 0, NULL, "ASCII text"},
	{"trust", CONF_ENUM, NULL, 0, 0, PROFILE_TRUSTS(WORD), "how sure it is"},
	{"note", CONF_TEXT, "", 0, 0, NULL, "anything"},
	{0},
};

static const struct conf_section schema[] = {
	{"profile", CONF_REQUIRED, profile_keys},
	{"state", CONF_OPTIONAL, state_keys},
	{"command", CONF_MANY, command_keys},
	{"signal", CONF_MANY, signal_keys},
	{0},
};

/* ---- mistakes and their lines ---- */

/* What the rules call a key is written under other names too. */
static const char *const spellings[][2] = {
	{"bits", "bytes"},
	{"bits", "bit"},
	{"null", "null_value"},
	{"min", "max"},
};

static const struct conf_sect *find_section(const struct conf *conf, const char *kind,
					    const char *id)
{
	const struct conf_sect *sect = conf_next(conf, kind, NULL);

	while (sect && strcmp(conf_name(sect), id) != 0)
		sect = conf_next(conf, kind, sect);
	return sect;
}

static bool has_key(const char *kind, const char *key)
{
	for (const struct conf_section *section = schema; section->kind; section++) {
		if (strcmp(section->kind, kind) != 0)
			continue;
		for (const struct conf_key *k = section->keys; k->name; k++) {
			if (strcmp(k->name, key) == 0)
				return true;
		}
	}
	return false;
}

/* profile_locate_fn. */
static int locate(void *arg, const char *kind, const char *id, const char *key)
{
	const struct conf *conf = arg;
	const struct conf_sect *sect = find_section(conf, kind, id);

	if (!sect || !has_key(kind, key))
		return 0;
	for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
		if (strcmp(kind, "signal") == 0 && strcmp(key, spellings[i][0]) == 0 &&
		    !conf_is_set(sect, key) && conf_is_set(sect, spellings[i][1]))
			return conf_line(sect, spellings[i][1]);
	}
	return conf_is_set(sect, key) ? conf_line(sect, key) : 0;
}

static void forget(void *arg)
{
	conf_free(arg);
}

/* ---- [profile] and [state] ---- */

/* The numbers of ATSP, in the order of the key's words. */
static const uint8_t protocols[] = {0, 6, 7, 8, 9};

static bool bus_is_29(const struct conf *conf)
{
	const uint8_t protocol = protocols[conf_int(conf_get(conf, "profile"), "bus")];

	return protocol == 7 || protocol == 9;
}

static int read_head(struct profile_build *build, const struct conf *conf)
{
	const struct conf_sect *head = conf_get(conf, "profile");
	const char *vins = conf_text(head, "vin");
	char vin[PROFILE_ITEM_SIZE];

	(void)profile_build_name(build, conf_text(head, "name"), conf_line(head, "name"));
	(void)profile_build_title(build, conf_text(head, "title"), conf_line(head, "title"));
	profile_build_protocol(build, protocols[conf_int(head, "bus")]);
	while (profile_next_item(&vins, vin))
		(void)profile_build_vin(build, vin, conf_line(head, "vin"));
	if (conf_is_set(head, "detect"))
		(void)profile_build_detect(build, conf_text(head, "detect"),
					   conf_line(head, "detect"));
	return 0;
}

static int read_states(struct profile_build *build, const struct conf *conf)
{
	static const char *const names[] = {
#define X(ident, name) name,
		PROFILE_STATES(X)
#undef X
	};
	const struct conf_sect *sect = conf_get(conf, "state");

	for (size_t i = 0; i < PROFILE_STATE_COUNT; i++) {
		if (!conf_is_set(sect, names[i]))
			continue;
		if (profile_build_state(build, (enum profile_state)i, conf_text(sect, names[i]),
					conf_line(sect, names[i])) == -ENOMEM)
			return -ENOMEM;
	}
	return 0;
}

/* ---- [command] ---- */

static int read_request(const struct profile_section *in, struct profile_command *command)
{
	const char *text = conf_text(in->sect, "request");
	size_t n = 0;

	for (; *text; text++) {
		const char pair[3] = {text[0], text[1], '\0'};
		uint32_t byte;

		if (*text == ' ' || *text == '\t')
			continue;
		if (strlen(pair) != 2 || !profile_parse_hex(pair, &byte))
			return PROFILE_FAULT(in, "request",
					     "bytes in hex, such as 22 01 01, not \"%.24s\"", text);
		if (n == PROFILE_REQUEST_MAX)
			return PROFILE_FAULT(in, "request",
					     "at most %d bytes, what one frame carries",
					     PROFILE_REQUEST_MAX);
		command->request[n++] = (uint8_t)byte;
		text++;
	}
	command->request_len = (uint8_t)n;
	return 0;
}

/* 3 digits are an identifier of 11 bits, 8 digits one of 29. */
static bool parse_id(const char *text, uint32_t *ret_id, uint8_t *ret_bits)
{
	const size_t len = strlen(text);

	if ((len != 3 && len != 8) || !profile_parse_hex(text, ret_id))
		return false;
	*ret_bits = len == 3 ? 11 : 29;
	return true;
}

static int read_ids(const struct profile_section *in, bool is_29, struct profile_ecu *ecu)
{
	const char *at = conf_text(in->sect, "ecu");
	char tx[PROFILE_ITEM_SIZE], rx[PROFILE_ITEM_SIZE], more[PROFILE_ITEM_SIZE];
	uint8_t rx_bits;

	if (!profile_next_item(&at, tx))
		return PROFILE_FAULT(in, "ecu", "REQUEST-ID ANSWER-ID, or all");
	if (strcmp(tx, "all") == 0 && !profile_next_item(&at, more)) {
		ecu->tx = is_29 ? FUNCTIONAL_29 : FUNCTIONAL_11;
		ecu->id_bits = is_29 ? 29 : 11;
		return 0;
	}
	if (!parse_id(tx, &ecu->tx, &ecu->id_bits))
		return PROFILE_FAULT(in, "ecu",
				     "an identifier of 3 or 8 hex digits, or all, not \"%s\"", tx);
	if (!profile_next_item(&at, rx))
		return 0;
	if (!parse_id(rx, &ecu->rx, &rx_bits) || rx_bits != ecu->id_bits ||
	    profile_next_item(&at, more))
		return PROFILE_FAULT(in, "ecu",
				     "one answer's identifier of as many digits, not \"%s\"", rx);
	return 0;
}

static int read_byte(const struct profile_section *in, const char *key, uint8_t *ret_byte)
{
	uint32_t byte;

	if (!conf_is_set(in->sect, key))
		return 0;
	if (!profile_parse_hex(conf_text(in->sect, key), &byte) || byte == 0 || byte > 0xff)
		return PROFILE_FAULT(in, key, "a byte in hex, 01..FF");
	*ret_byte = (uint8_t)byte;
	return 0;
}

static int read_ecu(const struct profile_section *in, bool is_29, struct profile_ecu *ecu)
{
	int r = read_ids(in, is_29, ecu);

	if (r < 0)
		return r;
	r = read_byte(in, "extension", &ecu->extension);
	if (r < 0)
		return r;
	r = read_byte(in, "tester", &ecu->tester);
	if (r < 0)
		return r;
	if (ecu->tester && !ecu->extension)
		return PROFILE_FAULT(in, "tester", "an `extension` too: both belong together");
	ecu->flow_control = conf_bool(in->sect, "flow_control");
	return 0;
}

static int read_years(const struct profile_section *in, struct profile_command *command)
{
	const char *text = conf_text(in->sect, "years");

	if (!conf_is_set(in->sect, "years"))
		return 0;
	if (!profile_parse_span(text, 9999, true, &command->year_from, &command->year_to))
		return PROFILE_FAULT(in, "years", "2018, 2018..2022, 2018.. or ..2022");
	return 0;
}

static int read_valid_if(const struct profile_section *in, int command)
{
	if (!conf_is_set(in->sect, "valid_if"))
		return 0;
	return profile_build_valid_if(in->build, command, conf_text(in->sect, "valid_if"),
				      conf_line(in->sect, "valid_if"));
}

/* A command of the signal set: what the set does not say. */
static int complete_command(const struct profile_section *in, int command)
{
	static const char *const fixed[] = {"ecu",          "extension", "tester",
					    "flow_control", "kind",      "years"};
	const struct profile_command *is = profile_build_command_at(in->build, command);
	int64_t period = is->period_us;
	enum profile_when when = is->when;
	int r;

	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		if (conf_is_set(in->sect, fixed[i]))
			return PROFILE_FAULT(in, fixed[i],
					     "no such key: the signal set has this command");
	}
	if (conf_is_set(in->sect, "period"))
		period = conf_int(in->sect, "period") * 1000;
	if (conf_is_set(in->sect, "when"))
		when = (enum profile_when)conf_int(in->sect, "when");
	r = profile_build_rhythm(in->build, command, when, period);
	return r < 0 ? r : read_valid_if(in, command);
}

static int read_command(const struct profile_section *in, bool is_29)
{
	struct profile_command command = {
		.kind = (enum profile_kind)conf_int(in->sect, "kind"),
		.when = (enum profile_when)conf_int(in->sect, "when"),
		.period_us = conf_int(in->sect, "period") * 1000,
		.line = conf_line(in->sect, NULL),
	};
	const int known = profile_build_command_find(in->build, conf_name(in->sect));
	int r;

	if (known >= 0 && !conf_is_set(in->sect, "request"))
		return complete_command(in, known);
	if (!conf_is_set(in->sect, "request"))
		return PROFILE_FAULT(
			in, "request",
			"the required key, the bytes of the request in hex (only a command of the "
			"obdb set needs none; freshet-agent profile SET lists them)");
	(void)snprintf(command.id, sizeof(command.id), "%s", conf_name(in->sect));
	r = read_request(in, &command);
	if (r < 0)
		return r;
	r = read_ecu(in, is_29, &command.ecu);
	if (r < 0)
		return r;
	r = read_years(in, &command);
	if (r < 0)
		return r;
	r = profile_build_command(in->build, &command);
	return r < 0 ? r : read_valid_if(in, r);
}

static int read_commands(struct profile_build *build, const struct conf *conf)
{
	struct profile_section in = {.build = build, .kind = "command"};
	const bool is_29 = bus_is_29(conf);

	while ((in.sect = conf_next(conf, "command", in.sect)) != NULL) {
		if (read_command(&in, is_29) == -ENOMEM)
			return -ENOMEM;
	}
	return 0;
}

/* ---- signals, and what they belong to ---- */

static int read_signals(struct profile_build *build, const struct conf *conf)
{
	struct profile_section in = {.build = build, .kind = "signal"};

	while ((in.sect = conf_next(conf, "signal", in.sect)) != NULL) {
		if (profile_read_signal(&in) == -ENOMEM)
			return -ENOMEM;
	}
	return 0;
}

/* A command that gives nothing is a forgotten signal, unless it tells the family. */
static void check_use(struct profile_build *build, const struct conf *conf)
{
	const char *detect = conf_text(conf_get(conf, "profile"), "detect");
	struct profile_section in = {.build = build, .kind = "command"};

	if (profile_build_mistakes(build) > 0)
		return; /* its signals may be among them */
	while ((in.sect = conf_next(conf, "command", in.sect)) != NULL) {
		const int command = profile_build_command_find(build, conf_name(in.sect));

		if (command >= 0 &&
		    profile_build_command_at(build, command)->kind == PROFILE_KIND_SIGNALS &&
		    profile_build_signals_of(build, command) == 0 &&
		    strcmp(detect, conf_name(in.sect)) != 0)
			(void)PROFILE_FAULT(&in, "request",
					    "at least one [signal] of this command");
	}
}

/* ---- the whole file ---- */

/* The commands and signals of a signal set come first: ours complete them. */
static int read_signal_set(struct profile_build *build, const struct conf *conf, const char *path)
{
	const struct conf_sect *head = conf_get(conf, "profile");
	const char *set = conf_text(head, "obdb");
	char *text = NULL;
	size_t len = 0;
	int r;

	if (!conf_is_set(head, "obdb"))
		return 0;
	r = file_read(set, PROFILE_FILE_MAX, &text, &len);
	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		(void)profile_build_error(build, conf_line(head, "obdb"), "profile", "obdb",
					  "a file that can be read; %s: %s", set, strerror(-r));
		return 0;
	}
	r = profile_build_file(build, set);
	if (r == 0)
		r = profile_read_obdb(build, text, len);
	free(text);
	return r < 0 ? r : profile_build_file(build, path);
}

/* What the reader of INI files found. */
static bool say_mistakes(struct profile_build *build, const struct conf *conf)
{
	for (size_t i = 0; i < conf_error_count(conf); i++) {
		const struct conf_error *error = conf_error_at(conf, i);

		(void)profile_build_error(build, error->line, error->section, error->key, "%s",
					  error->expected);
	}
	return conf_error_count(conf) > 0;
}

int profile_read_file(struct profile_build *build, const char *text, size_t len, const char *path)
{
	struct conf *conf = NULL;
	int r = conf_parse(text, len, path, schema, &conf);

	if (r < 0 && r != -EINVAL)
		return r;
	profile_build_locate(build, locate, forget, conf);
	if (say_mistakes(build, conf))
		return 0;
	r = read_signal_set(build, conf, path);
	if (r == 0)
		r = read_head(build, conf);
	if (r == 0)
		r = read_commands(build, conf);
	if (r == 0)
		r = read_signals(build, conf);
	if (r == 0)
		r = read_states(build, conf);
	if (r == 0)
		check_use(build, conf);
	return r;
}
