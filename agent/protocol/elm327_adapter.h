/* What an adapter can do, and how it is told whom to talk to: ELM327 and STN commands as data.
 *
 * Adapters differ: a genuine ELM327 v1.5 lacks what came with 2.x, clones lack flow control, an STN
 * has commands of its own. So each capability is probed once after the set-up, and every later
 * command is chosen by what is there. What an adapter cannot do is refused with a reason, never tried
 * in a loop.
 *
 * Portable: no I/O, no clock, no allocation.
 */
#ifndef AGENT_PROTOCOL_ELM327_ADAPTER_H
#define AGENT_PROTOCOL_ELM327_ADAPTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/protocol/diag.h"
#include "agent/protocol/elm327.h"

/* X(IDENT, "name", "probe"): the command that shows it: OK or a value where it is there,
 * '?' where not. Commands that lock some clones up (ATTP) are not here. */
#define ELM327_CAPABILITIES(X)                                                                     \
	X(STN, "stn", "STI")                     /* STN11xx, STN21xx */                            \
	X(VOLTAGE, "voltage", "ATRV")            /* measures pin 16 */                             \
	X(IGNITION, "ignition", "ATIGN")         /* the ignition line */                           \
	X(FILTER_RESET, "filter_reset", "ATCRA") /* ATCRA without argument (1.4b) */               \
	X(AUTO_RECEIVE, "auto_receive", "ATAR")                                                    \
	X(RECEIVE_FILTER, "receive_filter", "ATCRA7E8") /* answers of one id only */               \
	X(FLOW_HEADER, "flow_header", "ATFCSH7E0")      /* flow control by hand: header, */        \
	X(FLOW_DATA, "flow_data", "ATFCSD300000")       /* data, */                                \
	X(FLOW_MODE, "flow_mode", "ATFCSM1")            /* mode */                                 \
	X(PRIORITY, "priority", "ATCP18")               /* 29-bit priority byte */                 \
	X(LONG_HEADER, "long_header", "ATSH18DB33F1")   /* eight digits in one ATSH (2.x) */       \
	X(EXTENDED, "extended", "ATCEA")                /* extended addressing */                  \
	X(TESTER, "tester", "ATTAF1")                   /* whose answers it takes there */         \
	X(STN_FLOW, "stn_flow", "STCAFCP7E0,7E8")       /* STN: flow control pairs */              \
	X(STN_SEGMENTS, "stn_segments", "STCSEGR0")     /* STN: the chip does ISO-TP */            \
	X(FORGET_EVENTS, "forget_events", "ATFE")

enum elm327_capability {
#define X(ident, name, probe) ELM327_CAN_##ident,
	ELM327_CAPABILITIES(X)
#undef X
		ELM327_CAPABILITY_COUNT
};

struct elm327_capabilities {
	uint32_t has;                  /* bit a capability */
	uint32_t probed;               /* bit a capability: the adapter has said yes or no */
	char version[ELM327_TEXT_MAX]; /* "ELM327 v1.5", answer to ATI; the caller sets it */
	char chip[ELM327_TEXT_MAX];    /* "STN1110 v4.2.0", answer to STI; "": no STN */
};

const char *elm327_capability_name(enum elm327_capability capability); /* NULL where out of range */
static inline bool elm327_can(const struct elm327_capabilities *capabilities,
			      enum elm327_capability capability)
{
	return (capabilities->has & (UINT32_C(1) << capability)) != 0;
}

/* The command that probes capability `capability`; NULL where out of range. */
const char *elm327_probe_command(enum elm327_capability capability);
/* Is it worth asking on a bus with that number from ATDPN (0: not known)? What only CAN needs is not
 * asked for elsewhere, and nothing is that would leave a header behind that the bus does not have. */
bool elm327_probe_applies(enum elm327_capability capability, uint8_t protocol);
/* Takes the reply. Only an answer settles it: after a lost prompt or an error it stays unprobed. A
 * value must look like one: clones that say OK to everything have no STN and no voltage. */
void elm327_probe_reply(struct elm327_capabilities *capabilities, enum elm327_capability capability,
			const struct elm327_reply *reply);

enum elm327_target_error {
	ELM327_E_FLOW_CONTROL =
		-1,             /* the adapter cannot set flow control: only first frames come */
	ELM327_E_EXTENDED = -2, /* it has no extended addressing */
	ELM327_E_LONG_ID = -3,  /* it cannot send such a 29-bit identifier */
	ELM327_E_FILTER = -4,   /* it cannot listen to that identifier */
	ELM327_E_BUS = -5,      /* the bus has other identifiers */
	ELM327_E_ID = -6,       /* not an identifier of diagnostic requests (diag.h) */
};

#define ELM327_SWITCH_MAX 12 /* commands of one switch */

struct elm327_switch {
	char commands[ELM327_SWITCH_MAX][ELM327_COMMAND_MAX + 1];
	uint8_t count;
};

/* The commands that lead from talking to `from` to talking to `to` (NULL: everybody, as after the
 * set-up), in the order that adapters want: leave manual flow control, ATCP, ATSH, ATCRA, ATCEA,
 * ATTA, ATFCSH, ATFCSD, ATFCSM1. What stands already is not sent again; nothing to do gives count 0.
 * `protocol` is the number from ATDPN. After a command of them that was not answered by OK start from
 * the set-up. Answers on 7E8..7EF (29 bit: 18DAF1xx) have the adapter's own flow control; others with
 * `flow_control` get it by STCAFCP (11 bit) or ATFC.., and are refused where the adapter has neither.
 * Returns 0 or an elm327_target_error, then *ret is untouched and nothing may be sent to `to` with
 * this adapter. */
int elm327_switch_target(const struct elm327_capabilities *capabilities, uint8_t protocol,
			 const struct diag_target *from, const struct diag_target *to,
			 struct elm327_switch *ret);

/* The commands after the last probe: they lead back to the set-up's state. */
void elm327_probe_undo(const struct elm327_capabilities *capabilities, uint8_t protocol,
		       struct elm327_switch *ret);

/* Who may answer a target: for elm327_begin(). config.address is the byte before the PCI of an
 * answer: the tester's. */
struct elm327_config elm327_target_config(const struct diag_target *target, uint8_t protocol);

/* A sentence for a person why a target is refused: "the adapter cannot set flow control ...". */
const char *elm327_target_problem(int error);

#endif
