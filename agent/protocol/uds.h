/* UDS (ISO 14229-1): what a refusal means, and texts.
 *
 * Portable: no I/O, no clock, no allocation. Errors are those of obd2.h.
 */
#ifndef AGENT_PROTOCOL_UDS_H
#define AGENT_PROTOCOL_UDS_H

#include <stddef.h>
#include <stdint.h>

#include "agent/protocol/obd2.h"

/* What to do about a refusal. */
enum uds_advice {
	UDS_REFUSED, /* no reason that lasts is given: ask less and less */
	UDS_NEVER,   /* this ECU will never answer that: not again while it is connected */
	UDS_LATER,   /* it cannot now (busy, engine off): at the request's period */
	UDS_PENDING, /* the answer comes yet: wait, send nothing (P2*, 5 s each time) */
};

/* Negative response codes (ISO 14229-1 annex A.1): X(code, "name", advice, "sentence"). */
#define UDS_NRCS(X)                                                                                \
	X(0x10, "general_reject", REFUSED, "the control unit refuses and says no reason")          \
	X(0x11, "service_not_supported", NEVER, "the control unit does not have that service")     \
	X(0x12, "sub_function_not_supported", NEVER,                                               \
	  "the control unit does not have that function of the service")                           \
	X(0x13, "incorrect_length_or_format", NEVER,                                               \
	  "the control unit wants that request in another length or form")                         \
	X(0x14, "response_too_long", NEVER, "the answer would be longer than the bus can carry")   \
	X(0x21, "busy_repeat_request", LATER, "the control unit is busy: it may be asked again")   \
	X(0x22, "conditions_not_correct", LATER,                                                   \
	  "the vehicle is not in the state in which that can be read")                             \
	X(0x24, "request_sequence_error", REFUSED, "another request should have come before")      \
	X(0x25, "no_response_from_subnet", LATER,                                                  \
	  "a unit behind the control unit does not answer")                                        \
	X(0x26, "failure_prevents_execution", LATER, "a fault keeps the control unit from it")     \
	X(0x31, "request_out_of_range", NEVER, "the control unit does not have that value")        \
	X(0x33, "security_access_denied", NEVER, "the value is locked")                            \
	X(0x34, "authentication_required", NEVER, "the value is for authenticated testers only")   \
	X(0x35, "invalid_key", NEVER, "the value is locked")                                       \
	X(0x36, "exceed_number_of_attempts", NEVER, "the value is locked")                         \
	X(0x37, "required_time_delay_not_expired", LATER, "the value is locked for a while")       \
	X(0x70, "upload_download_not_accepted", NEVER, "the control unit refuses a transfer")      \
	X(0x78, "response_pending", PENDING, "the control unit needs more time for its answer")    \
	X(0x7e, "sub_function_not_supported_in_session", NEVER,                                    \
	  "that function needs another diagnostic session, which is not opened")                   \
	X(0x7f, "service_not_supported_in_session", NEVER,                                         \
	  "that service needs another diagnostic session, which is not opened")                    \
	X(0x81, "rpm_too_high", LATER, "the engine turns too fast for that")                       \
	X(0x82, "rpm_too_low", LATER, "the engine turns too slowly for that")                      \
	X(0x83, "engine_is_running", LATER, "the engine must stand for that")                      \
	X(0x84, "engine_is_not_running", LATER, "the engine must run for that")                    \
	X(0x85, "engine_run_time_too_low", LATER, "the engine must run longer for that")           \
	X(0x86, "temperature_too_high", LATER, "it is too hot for that")                           \
	X(0x87, "temperature_too_low", LATER, "it is too cold for that")                           \
	X(0x88, "vehicle_speed_too_high", LATER, "the vehicle moves too fast for that")            \
	X(0x89, "vehicle_speed_too_low", LATER, "the vehicle moves too slowly for that")           \
	X(0x92, "voltage_too_high", LATER, "the vehicle's voltage is too high for that")           \
	X(0x93, "voltage_too_low", LATER, "the vehicle's voltage is too low for that")

struct uds_nrc {
	uint8_t code;
	enum uds_advice advice;
	const char *name;     /* "request_out_of_range" */
	const char *sentence; /* for people */
};

/* What a code means. Never NULL: a code that the standard does not have is "unknown" and REFUSED. */
const struct uds_nrc *uds_nrc(uint8_t code);

#define UDS_TEXT_SIZE 64

/* The text behind the first `echo_len` bytes of an answer (part numbers, software versions: 22 F187,
 * F188, F189, F18C, F195), without blanks, zeros and FF around it. Returns 0; OBD2_E_SHORT where
 * nothing is behind them or more than a text can be; OBD2_E_VALUE where it is empty or not printable
 * ASCII; out is untouched then. */
int uds_decode_text(const uint8_t *answer, size_t len, size_t echo_len,
		    char out[static UDS_TEXT_SIZE]);

#endif
