/* Facts of electric vehicles (kind ev_pids): which request, which bits, which scale.
 *
 *	{vehicles: [{id, commands: [{request_header, response_id, extended_address, service, pid,
 *	 variant, signals: [{name, bit_offset, bits, endian, signed, mul, div, add}]}]}]}
 *
 * Identifiers of 29 bits stand in full; "variant" may name data lengths ("data length 39 or 41").
 */
#ifndef TESTS_CONFORMANCE_EV_FACTS_H
#define TESTS_CONFORMANCE_EV_FACTS_H

#include "provider/obd/profile.h"
#include "tests/conformance/conformance.h"

struct ev_signal {
	const char *name;
	uint32_t start;
	uint32_t bits;
	bool reversed, is_signed;
	double mul, div, add;
};

/* Reads one; false (said) where a member is missing. */
bool ev_signal_read(const struct conform_run *run, const struct jr_value *object,
		    struct ev_signal *ret);

struct ev_command {
	uint8_t request[PROFILE_REQUEST_MAX];
	size_t request_len;
	uint32_t tx;
	uint32_t rx; /* 0: several units may answer */
	uint8_t extension;
};

bool ev_command_read(const struct conform_run *run, const struct jr_value *object,
		     struct ev_command *ret);

/* Does an answer with so many bytes after the echo belong to this variant of the command? */
bool ev_command_fits(const struct jr_value *object, size_t data_len);

/* The command as a signal set of OBDb, loaded by the real reader; its signals are called as in the
 * facts. Returns 0, -EINVAL (said) or -ENOMEM. */
int ev_command_profile(struct conform_run *run, const struct jr_value *object,
		       struct profile **ret_profile);

#endif
