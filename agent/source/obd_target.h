/* Whom a profile's command talks to, as a request needs it.
 *
 * A profile (provider/obd) and the protocols (agent/protocol) do not know each other; this is the one
 * place where the address of the first becomes the target of the second. Stateless; any thread.
 */
#ifndef AGENT_SOURCE_OBD_TARGET_H
#define AGENT_SOURCE_OBD_TARGET_H

#include "agent/protocol/diag.h"
#include "provider/obd/profile.h"

struct diag_target obd_target(const struct profile_ecu *ecu);

#endif
