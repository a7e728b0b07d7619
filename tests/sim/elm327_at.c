/* The AT and ST commands, and which make of adapter has which. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/elm327_priv.h"

#define MS ELM327_MS
#define RESET_US (300 * MS)
#define ALL_AT                                                                                     \
	(ABILITY_FLOW | ABILITY_LONG_HEADER | ABILITY_V14 | ABILITY_V2 | ABILITY_MULTI_PID |       \
	 ABILITY_EVENTS)
#define V14_AT (ABILITY_FLOW | ABILITY_V14 | ABILITY_MULTI_PID | ABILITY_EVENTS)

static const struct elm327_make makes[ELM327_TEMPERAMENT_COUNT] = {
	[ELM327_TEMPER_PLAIN] = {"plain", "ELM327 v1.5", ALL_AT, 38400, false, 250 * MS, 1000 * MS},
	[ELM327_TEMPER_STN] = {"stn", "ELM327 v1.4b",
			       ALL_AT | ABILITY_STN | ABILITY_IGNITION | ABILITY_PENDING, 115200,
			       false, 250 * MS, 1000 * MS},
	[ELM327_TEMPER_V15] = {"v15", "ELM327 v1.5", V14_AT, 38400, false, 400 * MS, 2000 * MS},
	[ELM327_TEMPER_CLONE] = {"clone", "ELM327 v2.1", ABILITY_NONE, 38400, false, 600 * MS,
				 3000 * MS},
	[ELM327_TEMPER_MOODY] = {"moody", "ELM327 v1.5", V14_AT, 38400, false, 400 * MS, 2000 * MS},
	[ELM327_TEMPER_SLOW] = {"slow", "ELM327 v1.3a", V14_AT, 9600, true, 6000 * MS, 9000 * MS},
};

const struct elm327_make *elm327_make(const struct elm327 *elm)
{
	return &makes[elm->temperament];
}

const char *elm327_temperament_name(enum elm327_temperament temperament)
{
	return (unsigned)temperament < ELM327_TEMPERAMENT_COUNT ? makes[temperament].name : NULL;
}

int elm327_temperament_parse(const char *name, enum elm327_temperament *ret)
{
	for (unsigned i = 0; i < ELM327_TEMPERAMENT_COUNT; i++) {
		if (strcmp(name, makes[i].name) == 0) {
			*ret = (enum elm327_temperament)i;
			return 0;
		}
	}
	return -EINVAL;
}

unsigned elm327_temperament_baud(enum elm327_temperament temperament)
{
	return makes[temperament].baud;
}

void elm327_set_defaults(struct elm327 *elm)
{
	struct elm327_settings fresh = {
		.echo = true,
		.spaces = true,
		.adaptive = true,
		.auto_format = true,
		.timeout_4ms = 0x32,
		.priority = 0x18,
	};

	elm->set = fresh;
}

/* ---- what commands do; false: "?" ---- */

/* `arg`: the hex digits after the name, of which the last eight are in `value`. */
typedef bool at_fn(struct elm327 *elm, const char *arg, uint32_t value);

static bool accept(struct elm327 *elm, const char *arg, uint32_t value)
{
	(void)elm;
	(void)arg;
	(void)value;
	return true;
}

static bool restore(struct elm327 *elm, const char *arg, uint32_t value)
{
	(void)arg;
	(void)value;
	elm327_set_defaults(elm);
	return true;
}

#define SWITCH(function, member)                                                                   \
	static bool function(struct elm327 *elm, const char *arg, uint32_t value)                  \
	{                                                                                          \
		(void)arg;                                                                         \
		elm->set.member = value != 0;                                                      \
		return value <= 1;                                                                 \
	}

SWITCH(set_echo, echo)
SWITCH(set_linefeed, linefeed)
SWITCH(set_spaces, spaces)
SWITCH(set_headers, headers)
SWITCH(set_auto_format, auto_format)
SWITCH(set_segments, segments)

static bool set_adaptive(struct elm327 *elm, const char *arg, uint32_t value)
{
	(void)arg;
	elm->set.adaptive = value != 0;
	return value <= 2;
}

static bool set_timeout(struct elm327 *elm, const char *arg, uint32_t value)
{
	(void)arg;
	elm->set.timeout_4ms = value ? value : 0x32;
	return true;
}

/* ATSP6, ATSPA6, ATSP0; some know two digits. */
static bool set_protocol(struct elm327 *elm, const char *arg, uint32_t value)
{
	(void)value;
	if (elm->temperament == ELM327_TEMPER_CLONE && strlen(arg) == 2) {
		elm->locked_up = strcmp(arg, "A0") == 0;
		return false;
	}
	if (strlen(arg) == 2 && arg[0] != 'A' && arg[0] != '0')
		return false;
	elm->set.protocol = (unsigned)strtoul(arg + strlen(arg) - 1, NULL, 16);
	elm->set.found = 0;
	return elm->set.protocol <= 0xC;
}

static bool close_protocol(struct elm327 *elm, const char *arg, uint32_t value)
{
	(void)arg;
	(void)value;
	elm->set.found = 0;
	return true;
}

static bool set_header(struct elm327 *elm, const char *arg, uint32_t value)
{
	bool eight = strlen(arg) == 8;

	if (eight && !elm327_able(elm, ABILITY_LONG_HEADER))
		return false;
	elm->set.long_header = eight ? value : 0;
	elm->set.header = eight ? 0 : value;
	return true;
}

static bool set_priority(struct elm327 *elm, const char *arg, uint32_t value)
{
	(void)arg;
	elm->set.priority = (uint8_t)(value & 0x1F);
	return true;
}

static bool set_extension(struct elm327 *elm, const char *arg, uint32_t value)
{
	(void)arg;
	elm->set.extension = (uint8_t)value;
	return true;
}

static bool set_receive(struct elm327 *elm, const char *arg, uint32_t value)
{
	if (arg[0] == '\0' && !elm327_able(elm, ABILITY_V14))
		return false;
	elm->set.receive_id = value;
	elm->set.filter_set = false;
	elm->set.mask_set = false;
	return true;
}

static bool receive_all(struct elm327 *elm, const char *arg, uint32_t value)
{
	(void)arg;
	(void)value;
	elm->set.receive_id = 0;
	elm->set.filter_set = false;
	elm->set.mask_set = false;
	return true;
}

static bool long_allowed(const struct elm327 *elm, const char *arg)
{
	return strlen(arg) != 8 || elm327_able(elm, ABILITY_V14);
}

static bool set_filter(struct elm327 *elm, const char *arg, uint32_t value)
{
	elm->set.filter = value;
	elm->set.filter_set = true;
	return long_allowed(elm, arg);
}

static bool set_mask(struct elm327 *elm, const char *arg, uint32_t value)
{
	elm->set.mask = value;
	elm->set.mask_set = true;
	return long_allowed(elm, arg);
}

static bool set_flow_header(struct elm327 *elm, const char *arg, uint32_t value)
{
	(void)arg;
	elm->set.flow_header = value;
	return true;
}

static bool set_flow_data(struct elm327 *elm, const char *arg, uint32_t value)
{
	(void)value;
	if (strlen(arg) % 2 != 0)
		return false;
	elm->set.flow_len = (uint8_t)(strlen(arg) / 2);
	for (size_t i = 0; i < elm->set.flow_len; i++) {
		char pair[3] = {arg[2 * i], arg[2 * i + 1], '\0'};

		elm->set.flow_data[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return true;
}

/* The data sheet: header and data before mode 1, data before mode 2. */
static bool set_flow_mode(struct elm327 *elm, const char *arg, uint32_t value)
{
	(void)arg;
	if (value > 2 || (value == 1 && elm->set.flow_header == 0) ||
	    (value >= 1 && elm->set.flow_len == 0))
		return false;
	elm->set.flow_mode = value;
	return true;
}

/* ---- the commands ---- */

#define NONE 0x001u /* no argument */
#define DIGITS(n) (1u << (n))

static const struct at_command {
	const char *name;
	unsigned digits; /* bit n: n hex digits may follow */
	unsigned needs;
	at_fn *run;
} at_commands[] = {
	{"D", NONE, 0, restore},
	{"E", DIGITS(1), 0, set_echo},
	{"L", DIGITS(1), 0, set_linefeed},
	{"S", DIGITS(1), 0, set_spaces},
	{"H", DIGITS(1), 0, set_headers},
	{"M", DIGITS(1), 0, accept},
	{"R", DIGITS(1), 0, accept},
	{"CAF", DIGITS(1), 0, set_auto_format},
	{"CFC", DIGITS(1), 0, accept},
	{"AT", DIGITS(1), 0, set_adaptive},
	{"ST", DIGITS(2), 0, set_timeout},
	{"SP", DIGITS(1) | DIGITS(2), 0, set_protocol},
	{"TP", DIGITS(1) | DIGITS(2), 0, set_protocol},
	{"PC", NONE, 0, close_protocol},
	{"SH", DIGITS(3) | DIGITS(6) | DIGITS(8), 0, set_header},
	{"CRA", NONE | DIGITS(3) | DIGITS(8), 0, set_receive},
	{"AR", NONE, 0, receive_all},
	{"CF", DIGITS(3) | DIGITS(8), 0, set_filter},
	{"CM", DIGITS(3) | DIGITS(8), 0, set_mask},
	{"AL", NONE, 0, accept},
	{"BI", NONE, 0, accept},
	{"SS", NONE, 0, accept},
	{"KW", DIGITS(1), 0, accept},
	{"IIA", DIGITS(2), 0, accept},
	{"CSM", DIGITS(1), 0, accept},
	{"NL", NONE, ABILITY_V14, accept},
	{"BD", NONE, ABILITY_V14, accept},
	{"AMC", NONE, ABILITY_V14, accept},
	{"CS", NONE, ABILITY_V14, accept},
	{"CTM", DIGITS(1), ABILITY_V2, accept},
	{"CP", DIGITS(2), ABILITY_V14, set_priority},
	{"CEA", NONE | DIGITS(2), ABILITY_V14, set_extension},
	{"TA", DIGITS(2), ABILITY_V2, accept},
	{"FCSH", DIGITS(3) | DIGITS(8), ABILITY_FLOW, set_flow_header},
	{"FCSD", DIGITS(2) | DIGITS(4) | DIGITS(6) | DIGITS(8) | DIGITS(10), ABILITY_FLOW,
	 set_flow_data},
	{"FCSM", DIGITS(1), ABILITY_FLOW, set_flow_mode},
	{"FE", NONE, ABILITY_EVENTS, accept},
};

/* The last eight digits; the table says how many there may be. */
static uint32_t hex_value(const char *digits)
{
	size_t len = strlen(digits);

	return (uint32_t)strtoul(len > 8 ? digits + len - 8 : digits, NULL, 16);
}

static bool fits(const struct at_command *command, const char *rest)
{
	size_t len = strlen(rest);

	if (len > 10 || !(command->digits & DIGITS(len)))
		return false;
	return strspn(rest, "0123456789ABCDEF") == len;
}

static bool run_setting(struct elm327 *elm, const char *text)
{
	for (size_t i = 0; i < sizeof(at_commands) / sizeof(at_commands[0]); i++) {
		const struct at_command *command = &at_commands[i];
		const char *rest = text + strlen(command->name);

		if (strncmp(text, command->name, strlen(command->name)) != 0 ||
		    !fits(command, rest))
			continue;
		return elm327_able(elm, (enum elm327_ability)command->needs) &&
		       command->run(elm, rest, hex_value(rest));
	}
	return false;
}

/* ---- what says more than OK ---- */

static int64_t reset_adapter(struct elm327 *elm)
{
	elm327_set_defaults(elm);
	if (elm->temperament == ELM327_TEMPER_CLONE)
		buf_append(&elm->reply, "\xFC\0", 2);
	elm327_end_line(elm);
	elm327_end_line(elm);
	elm327_say(elm, elm327_make(elm)->banner);
	return RESET_US;
}

static void say_protocol(struct elm327 *elm, bool number)
{
	static const char *const names[] = {"",
					    "SAE J1850 PWM",
					    "SAE J1850 VPW",
					    "ISO 9141-2",
					    "ISO 14230-4 (KWP 5BAUD)",
					    "ISO 14230-4 (KWP FAST)",
					    "ISO 15765-4 (CAN 11/500)",
					    "ISO 15765-4 (CAN 29/500)",
					    "ISO 15765-4 (CAN 11/250)",
					    "ISO 15765-4 (CAN 29/250)",
					    "SAE J1939 (CAN 29/250)",
					    "USER1 (CAN 11/125)",
					    "USER2 (CAN 11/50)"};
	unsigned now = elm->set.protocol ? elm->set.protocol : elm->set.found;
	bool automatic = elm->set.protocol == 0;
	char text[64];

	if (number)
		(void)snprintf(text, sizeof(text), "%s%X", automatic ? "A" : "", now);
	else
		(void)snprintf(text, sizeof(text), "%s%s%s", automatic ? "AUTO" : "",
			       automatic && now ? ", " : "", names[now]);
	elm327_say(elm, text);
}

static void say_ignition(struct elm327 *elm)
{
	bool on = !elm327_able(elm, ABILITY_IGNITION) || vehicle_ignition_on(elm->vehicle);

	elm327_say(elm, on && elm->fault != ELM327_FAULT_ASLEEP ? "ON" : "OFF");
}

int64_t elm327_run_at(struct elm327 *elm, const char *command)
{
	char text[32];

	if (strcmp(command, "Z") == 0 || strcmp(command, "WS") == 0)
		return reset_adapter(elm);
	if (strcmp(command, "I") == 0) {
		elm327_say(elm, elm327_make(elm)->banner);
	} else if (strcmp(command, "@1") == 0) {
		elm327_say(elm, "OBDII to RS232 Interpreter");
	} else if (strcmp(command, "RV") == 0) {
		(void)snprintf(text, sizeof(text), "%.1fV", elm->vehicle->aux_battery_v);
		elm327_say(elm, text);
	} else if (strcmp(command, "IGN") == 0) {
		say_ignition(elm);
	} else if (strcmp(command, "DPN") == 0 || strcmp(command, "DP") == 0) {
		say_protocol(elm, command[2] == 'N');
	} else {
		elm327_say(elm, run_setting(elm, command) ? "OK" : "?");
	}
	return ELM327_COMMAND_US;
}

/* ---- STN ---- */

/* STCAFCP 7E4,7EC: what is received from the second is flow controlled by the first. */
static bool add_pair(struct elm327 *elm, const char *text)
{
	struct elm327_pair pair;
	char *end = NULL;

	pair.tx = (uint32_t)strtoul(text, &end, 16);
	if (end == text || *end != ',')
		return false;
	text = end + 1;
	pair.rx = (uint32_t)strtoul(text, &end, 16);
	if (end == text || *end != '\0' || elm->set.pair_count == ELM327_PAIRS_MAX)
		return false;
	elm->set.pairs[elm->set.pair_count++] = pair;
	return true;
}

static bool run_st_setting(struct elm327 *elm, const char *command)
{
	if (strncmp(command, "CAFCP", 5) == 0)
		return add_pair(elm, command + 5);
	if (strcmp(command, "CCFCP") == 0) {
		elm->set.pair_count = 0;
		return true;
	}
	if (strcmp(command, "CSEGR0") == 0 || strcmp(command, "CSEGR1") == 0)
		return set_segments(elm, "", command[5] == '1');
	if (strncmp(command, "PTO", 3) == 0 && isdigit((unsigned char)command[3])) {
		elm->set.timeout_4ms = (unsigned)(strtoul(command + 3, NULL, 10) / 4 + 1);
		return true;
	}
	return strcmp(command, "CSEGT0") == 0 || strcmp(command, "CSEGT1") == 0;
}

int64_t elm327_run_st(struct elm327 *elm, const char *command)
{
	char text[32];

	if (!elm327_able(elm, ABILITY_STN)) {
		elm327_say(elm, "?");
	} else if (strcmp(command, "I") == 0) {
		elm327_say(elm, "STN1110 v4.2.0");
	} else if (strcmp(command, "DI") == 0) {
		elm327_say(elm, "OBDLink SX r4.2");
	} else if (strcmp(command, "VR") == 0) {
		(void)snprintf(text, sizeof(text), "%.2f", elm->vehicle->aux_battery_v);
		elm327_say(elm, text);
	} else if (strncmp(command, "PX", 2) == 0) {
		return elm327_run_stpx(elm, command + 2);
	} else {
		elm327_say(elm, run_st_setting(elm, command) ? "OK" : "?");
	}
	return ELM327_COMMAND_US;
}
