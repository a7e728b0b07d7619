#include "agent/protocol/elm327_adapter.h"

#include <string.h>

#include "agent/protocol/elm327_priv.h"

#define PRIORITY_DEFAULT 0x18

struct capability {
	const char *name;
	const char *probe;
};

static const struct capability table[] = {
#define X(ident, name, probe) {name, probe},
	ELM327_CAPABILITIES(X)
#undef X
};

const char *elm327_capability_name(enum elm327_capability capability)
{
	return (unsigned)capability < ELM327_CAPABILITY_COUNT ? table[capability].name : NULL;
}

/* ---- probing ---- */

const char *elm327_probe_command(enum elm327_capability capability)
{
	return (unsigned)capability < ELM327_CAPABILITY_COUNT ? table[capability].probe : NULL;
}

/* Bits of the identifiers on a bus: 11, 29, 0: no CAN; -1: either or not known (B and C are the
 * user's own). J1939 has no diagnostic requests of ours. */
static int bus_bits(uint8_t protocol)
{
	switch (protocol) {
	case 6:
	case 8:
		return 11;
	case 7:
	case 9:
		return 29;
	case 0:
	case 11:
	case 12:
		return -1;
	default:
		return 0;
	}
}

bool elm327_probe_applies(enum elm327_capability capability, uint8_t protocol)
{
	switch (capability) {
	case ELM327_CAN_STN:
	case ELM327_CAN_VOLTAGE:
	case ELM327_CAN_IGNITION:
	case ELM327_CAN_FORGET_EVENTS:
		return true;
	case ELM327_CAN_LONG_HEADER:
		return bus_bits(protocol) == 29;
	case ELM327_CAN_STN_FLOW:
		/* Its pairs are of 11-bit identifiers. */
		return bus_bits(protocol) == 11 || bus_bits(protocol) == -1;
	default:
		return (unsigned)capability < ELM327_CAPABILITY_COUNT && bus_bits(protocol) != 0;
	}
}

static void copy_text(char out[static ELM327_TEXT_MAX], const char *text)
{
	const size_t len = strlen(text);

	if (len < ELM327_TEXT_MAX)
		memcpy(out, text, len + 1);
}

static bool shows(enum elm327_capability capability, const char *text)
{
	switch (capability) {
	case ELM327_CAN_STN:
		return strncmp(text, "STN", 3) == 0;
	case ELM327_CAN_VOLTAGE:
		return elm327_parse_voltage(text, &(double){0});
	case ELM327_CAN_IGNITION:
		return strcmp(text, "ON") == 0 || strcmp(text, "OFF") == 0;
	default:
		return strcmp(text, "OK") == 0;
	}
}

void elm327_probe_reply(struct elm327_capabilities *capabilities, enum elm327_capability capability,
			const struct elm327_reply *reply)
{
	const uint32_t bit = UINT32_C(1) << capability;

	if ((unsigned)capability >= ELM327_CAPABILITY_COUNT ||
	    (reply->kind != ELM327_OK && reply->kind != ELM327_UNSUPPORTED))
		return;
	capabilities->probed |= bit;
	capabilities->has &= ~bit;
	if (reply->kind != ELM327_OK || !shows(capability, reply->text))
		return;
	capabilities->has |= bit;
	if (capability == ELM327_CAN_STN)
		copy_text(capabilities->chip, reply->text);
}

/* ---- where an adapter stands ---- */

enum flow {
	FLOW_AUTO,
	FLOW_MANUAL, /* ATFCSM1 with header and data */
	FLOW_PAIR,   /* STCAFCP */
};

struct stance {
	uint32_t header;
	uint8_t header_bits; /* 0: no CAN, the adapter's own headers */
	uint32_t filter;     /* 0: none */
	uint32_t pair;       /* FLOW_PAIR: who answers */
	uint8_t extension;   /* 0: off */
	uint8_t tester;      /* 0: the adapter's own, F1 */
	enum flow flow;
};

static bool is_everybody(const struct diag_target *target, uint8_t protocol)
{
	if (!target)
		return true;
	if (target->id_bits == 0 && bus_bits(protocol) == 0)
		return true;
	return diag_target_is_everybody(target);
}

/* Does an adapter hear that identifier without being told? */
static bool is_heard(uint32_t rx, uint8_t bits)
{
	if (bits == 11)
		return rx >= 0x7e8 && rx <= 0x7ef;
	return (rx & UINT32_C(0xffffff00)) == UINT32_C(0x18daf100);
}

/* Does the adapter's own flow control reach who sends `rx`? It answers to the sender that ISO 15765-4
 * gives that identifier. */
static bool is_automatic(const struct diag_target *target, uint32_t rx)
{
	if (target->extension)
		return false;
	if (!rx)
		return target->functional;
	if (!is_heard(rx, target->id_bits))
		return false;
	if (target->functional)
		return true;
	if (target->id_bits == 11)
		return rx == target->tx + 8;
	return target->tx == (UINT32_C(0x18da00f1) | (rx & 0xff) << 8);
}

static int choose_flow(const struct elm327_capabilities *can, const struct diag_target *target,
		       struct stance *stance)
{
	const uint32_t rx = diag_target_answers(target);

	if (!target->flow_control || is_automatic(target, rx))
		return 0;
	if (elm327_can(can, ELM327_CAN_STN_FLOW) && rx && target->id_bits == 11 &&
	    !target->extension) {
		stance->flow = FLOW_PAIR;
		stance->pair = rx;
		return 0;
	}
	if (elm327_can(can, ELM327_CAN_FLOW_HEADER) && elm327_can(can, ELM327_CAN_FLOW_DATA) &&
	    elm327_can(can, ELM327_CAN_FLOW_MODE)) {
		stance->flow = FLOW_MANUAL;
		return 0;
	}
	return ELM327_E_FLOW_CONTROL;
}

/* A filter that cannot be taken away again would deafen the adapter for everybody else. */
static bool can_filter(const struct elm327_capabilities *can)
{
	return elm327_can(can, ELM327_CAN_RECEIVE_FILTER) &&
	       (elm327_can(can, ELM327_CAN_FILTER_RESET) ||
		elm327_can(can, ELM327_CAN_AUTO_RECEIVE));
}

static int choose_filter(const struct elm327_capabilities *can, const struct diag_target *target,
			 struct stance *stance)
{
	const uint32_t rx = diag_target_answers(target);

	if (rx && can_filter(can))
		stance->filter = rx;
	else if (rx && !is_heard(rx, target->id_bits))
		return ELM327_E_FILTER;
	return 0;
}

static bool fits(const struct diag_target *target, uint8_t protocol)
{
	const uint32_t most = target->id_bits == 11 ? UINT32_C(0x7ff) : UINT32_C(0x1fffffff);
	const int bits = bus_bits(protocol);

	if (target->id_bits != 11 && target->id_bits != 29)
		return false;
	return (bits == -1 || bits == target->id_bits) && target->tx <= most && target->rx <= most;
}

static struct stance everybody(uint8_t protocol)
{
	const int bits = bus_bits(protocol);
	struct stance stance = {.header_bits = bits == -1 ? 11 : (uint8_t)bits};

	if (stance.header_bits)
		stance.header = stance.header_bits == 11 ? DIAG_FUNCTIONAL_11 : DIAG_FUNCTIONAL_29;
	return stance;
}

static int stance_of(const struct elm327_capabilities *can, uint8_t protocol,
		     const struct diag_target *target, struct stance *ret)
{
	struct stance stance = everybody(protocol);
	int r;

	if (is_everybody(target, protocol))
		goto out;
	if (!fits(target, protocol))
		return ELM327_E_BUS;
	if (!diag_id_allowed(target->tx, target->id_bits))
		return ELM327_E_ID;
	if (target->extension && target->tester != DIAG_TESTER)
		stance.tester = target->tester;
	if ((target->extension && !elm327_can(can, ELM327_CAN_EXTENDED)) ||
	    (stance.tester && !elm327_can(can, ELM327_CAN_TESTER)))
		return ELM327_E_EXTENDED;
	if (target->id_bits == 29 && target->tx >> 24 != PRIORITY_DEFAULT &&
	    !elm327_can(can, ELM327_CAN_PRIORITY) && !elm327_can(can, ELM327_CAN_LONG_HEADER))
		return ELM327_E_LONG_ID;
	stance.header = target->tx;
	stance.header_bits = target->id_bits;
	stance.extension = target->extension;
	r = choose_filter(can, target, &stance);
	if (!r)
		r = choose_flow(can, target, &stance);
	if (r)
		return r;
out:
	*ret = stance;
	return 0;
}

/* ---- the commands ---- */

/* Returns the end of the text. */
static char *add_digits(char *at, uint32_t value, unsigned digits)
{
	while (digits > 0)
		*at++ = "0123456789ABCDEF"[value >> 4 * --digits & 0x0f];
	*at = '\0';
	return at;
}

/* Adds a command: a word, and digits of `value` where there are any. Returns the end of its text. */
static char *add(struct elm327_switch *commands, const char *word, uint32_t value, unsigned digits)
{
	char *text = commands->commands[commands->count++];
	const size_t len = strlen(word);

	memcpy(text, word, len);
	return add_digits(text + len, value, digits);
}

static void add_header(struct elm327_switch *commands, const struct elm327_capabilities *can,
		       const struct stance *from, const struct stance *to)
{
	if (to->header_bits == 11) {
		(void)add(commands, "ATSH", to->header, 3);
	} else if (elm327_can(can, ELM327_CAN_LONG_HEADER)) {
		(void)add(commands, "ATSH", to->header, 8);
	} else {
		if (from->header >> 24 != to->header >> 24)
			(void)add(commands, "ATCP", to->header >> 24, 2);
		if (from->header_bits != to->header_bits || (from->header ^ to->header) & 0xffffff)
			(void)add(commands, "ATSH", to->header & 0xffffff, 6);
	}
}

static void add_filter(struct elm327_switch *commands, const struct elm327_capabilities *can,
		       const struct stance *to)
{
	if (to->filter)
		(void)add(commands, "ATCRA", to->filter, to->header_bits == 11 ? 3 : 8);
	else if (elm327_can(can, ELM327_CAN_FILTER_RESET))
		(void)add(commands, "ATCRA", 0, 0);
	else
		(void)add(commands, "ATAR", 0, 0);
}

static bool same_pair(const struct stance *a, const struct stance *b)
{
	return a->flow == FLOW_PAIR && b->flow == FLOW_PAIR && a->header == b->header &&
	       a->pair == b->pair;
}

/* Flow control that was for somebody else goes first. */
static void leave_flow(struct elm327_switch *commands, const struct stance *from,
		       const struct stance *to)
{
	if (from->flow == FLOW_MANUAL && to->flow != FLOW_MANUAL)
		(void)add(commands, "ATFCSM0", 0, 0);
	if (from->flow == FLOW_PAIR && !same_pair(from, to))
		(void)add(commands, "STCCFCP", 0, 0);
}

static void add_manual_flow(struct elm327_switch *commands, const struct stance *from,
			    const struct stance *to)
{
	const bool stands = from->flow == FLOW_MANUAL;

	if (!stands || from->header != to->header)
		(void)add(commands, "ATFCSH", to->header, to->header_bits == 11 ? 3 : 8);
	if (!stands || from->extension != to->extension) {
		char *end = add(commands, "ATFCSD", to->extension, to->extension ? 2 : 0);

		memcpy(end, "300000", sizeof("300000"));
	}
	if (!stands)
		(void)add(commands, "ATFCSM1", 0, 0);
}

static void add_pair(struct elm327_switch *commands, const struct stance *from,
		     const struct stance *to)
{
	char *end;

	if (same_pair(from, to))
		return;
	end = add(commands, "STCAFCP", to->header, 3);
	*end++ = ',';
	add_digits(end, to->pair, 3);
}

int elm327_switch_target(const struct elm327_capabilities *capabilities, uint8_t protocol,
			 const struct diag_target *from, const struct diag_target *to,
			 struct elm327_switch *ret)
{
	struct elm327_switch commands = {.count = 0};
	struct stance old;
	struct stance new;
	int r = stance_of(capabilities, protocol, to, &new);

	if (!r)
		r = stance_of(capabilities, protocol, from, &old);
	if (r)
		return r;
	leave_flow(&commands, &old, &new);
	if (old.header != new.header || old.header_bits != new.header_bits)
		add_header(&commands, capabilities, &old, &new);
	if (old.filter != new.filter)
		add_filter(&commands, capabilities, &new);
	if (old.extension != new.extension)
		(void)add(&commands, "ATCEA", new.extension, new.extension ? 2 : 0);
	if (old.tester != new.tester)
		(void)add(&commands, "ATTA", new.tester ? new.tester : DIAG_TESTER, 2);
	if (new.flow == FLOW_MANUAL)
		add_manual_flow(&commands, &old, &new);
	else if (new.flow == FLOW_PAIR)
		add_pair(&commands, &old, &new);
	*ret = commands;
	return 0;
}

void elm327_probe_undo(const struct elm327_capabilities *capabilities, uint8_t protocol,
		       struct elm327_switch *ret)
{
	struct elm327_switch commands = {.count = 0};

	if (elm327_can(capabilities, ELM327_CAN_FLOW_MODE))
		(void)add(&commands, "ATFCSM0", 0, 0);
	if (elm327_can(capabilities, ELM327_CAN_STN_FLOW))
		(void)add(&commands, "STCCFCP", 0, 0);
	if (elm327_can(capabilities, ELM327_CAN_PRIORITY))
		(void)add(&commands, "ATCP", PRIORITY_DEFAULT, 2);
	/* Asked for where 18DB33F1 is the bus's own, but a caller may have asked elsewhere. */
	if (elm327_can(capabilities, ELM327_CAN_LONG_HEADER) && everybody(protocol).header_bits)
		add_header(&commands, capabilities, &(struct stance){0},
			   &(struct stance){.header = everybody(protocol).header,
					    .header_bits = everybody(protocol).header_bits});
	if (can_filter(capabilities))
		add_filter(&commands, capabilities, &(struct stance){0});
	*ret = commands;
}

/* ---- who may answer ---- */

struct elm327_config elm327_target_config(const struct diag_target *target, uint8_t protocol)
{
	struct elm327_config config = elm327_config_functional(protocol);
	uint32_t rx;

	if (is_everybody(target, protocol))
		return config;
	rx = diag_target_answers(target);
	config.id_digits = target->id_bits == 29 ? 8 : 3;
	if (rx) {
		config.rx_id = rx;
		config.rx_mask = UINT32_MAX;
	}
	if (target->extension)
		config.address = target->tester ? target->tester : DIAG_TESTER;
	return config;
}

const char *elm327_target_problem(int error)
{
	switch (error) {
	case ELM327_E_FLOW_CONTROL:
		return "the adapter cannot set flow control: only the first frame of an answer "
		       "would come";
	case ELM327_E_EXTENDED:
		return "the adapter has no extended addressing for that unit and tester";
	case ELM327_E_LONG_ID:
		return "the adapter cannot send a 29-bit identifier with that priority";
	case ELM327_E_FILTER:
		return "the adapter cannot listen to the identifier of the answer";
	case ELM327_E_ID:
		return "that identifier is not one of diagnostic requests";
	case ELM327_E_BUS:
		return "the vehicle's bus does not have such identifiers";
	default:
		return "no problem that is known";
	}
}
