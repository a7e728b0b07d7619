#include "agent/protocol/elm327_gate.h"

#include <string.h>

#include "agent/protocol/diag.h"
#include "agent/protocol/elm327_priv.h"
#include "agent/protocol/obd2.h"

#define PRIORITY_DEFAULT 0x18

/* ---- requests ---- */

/* While the adapter searches the bus is not known (0 bits): nobody in particular may be asked then. */
static bool header_fits(const struct elm327_gate *gate, unsigned bits)
{
	const bool functional =
		gate->header == DIAG_FUNCTIONAL_11 || gate->header == DIAG_FUNCTIONAL_29;

	return (bits == gate->header_bits || (bits == 0 && functional)) &&
	       diag_id_allowed(gate->header, gate->header_bits);
}

static bool request_passes(const struct elm327_gate *gate, const struct elm327_reply *begun)
{
	const struct elm327_config *config = &begun->config;
	const unsigned bits = config->id_digits == 3 ? 11 : config->id_digits == 8 ? 29 : 0;

	if (!gate->known || !obd2_request_allowed(begun->request, begun->request_len))
		return false;
	if (gate->header_bits && !header_fits(gate, bits))
		return false;
	if ((gate->extension != 0) != (config->address != 0))
		return false;
	return !gate->extension ||
	       diag_extended_allowed(gate->extension, begun->request, begun->request_len);
}

/* ---- commands ---- */

static bool is_listed(const char *text)
{
	static const char *const listed[] = {
		"ATI",     "AT@1",     "ATRV",    "ATIGN",   "ATDP",  "ATDPN", "STI",   "STDI",
		"ATE0",    "ATL0",     "ATS0",    "ATH1",    "ATM0",  "ATAL",  "ATAR",  "ATCAF1",
		"ATAT0",   "ATAT1",    "ATAT2",   "ATPC",    "ATFE",  "ATCRA", "ATSP0", "ATSP1",
		"ATSP2",   "ATSP3",    "ATSP4",   "ATSP5",   "ATSP6", "ATSP7", "ATSP8", "ATSP9",
		"STCCFCP", "STCSEGR0", "ATFCSM0", "ATFCSM1",
	};

	for (size_t i = 0; i < sizeof(listed) / sizeof(listed[0]); i++)
		if (strcmp(text, listed[i]) == 0)
			return true;
	return false;
}

static bool is_reset(const char *text)
{
	return strcmp(text, "ATZ") == 0 || strcmp(text, "ATWS") == 0 || strcmp(text, "ATD") == 0;
}

/* Hex digits up to the end, or to `end`. Returns how many (at most 8), 0 where there is anything
 * else. */
static unsigned read_hex(const char *text, char end, uint32_t *ret_value)
{
	uint32_t value = 0;
	unsigned digits = 0;

	for (; *text && *text != end; text++) {
		if (elm327_hex_digit(*text) < 0 || ++digits > 8)
			return 0;
		value = value << 4 | (uint32_t)elm327_hex_digit(*text);
	}
	*ret_value = value;
	return digits;
}

/* The text behind a word; NULL where it does not begin with it. */
static const char *behind(const char *text, const char *word)
{
	const size_t len = strlen(word);

	return strncmp(text, word, len) == 0 ? text + len : NULL;
}

static bool header_passes(struct elm327_gate *gate, const char *digits)
{
	uint32_t id = 0;
	const unsigned count = read_hex(digits, '\0', &id);
	const uint8_t bits = count == 3 ? 11 : 29;

	if (count == 6)
		id |= (uint32_t)(gate->priority ? gate->priority : PRIORITY_DEFAULT) << 24;
	else if (count != 3 && count != 8)
		return false;
	if (!diag_id_allowed(id, bits))
		return false;
	gate->header = id;
	gate->header_bits = bits;
	if (bits == 29)
		gate->priority = (uint8_t)(id >> 24);
	return true;
}

/* A header that stands gets another priority, and may become somebody else's. */
static bool priority_passes(struct elm327_gate *gate, const char *digits)
{
	uint32_t value = 0;

	if (read_hex(digits, '\0', &value) != 2 || value > 0x1f)
		return false;
	gate->priority = (uint8_t)value;
	if (gate->header_bits == 29)
		gate->header = (gate->header & 0xffffff) | value << 24;
	return true;
}

static bool extension_passes(struct elm327_gate *gate, const char *digits)
{
	uint32_t value = 0;

	if (*digits && read_hex(digits, '\0', &value) != 2)
		return false;
	gate->extension = (uint8_t)value;
	return true;
}

static bool id_passes(const char *digits)
{
	uint32_t id = 0;
	const unsigned count = read_hex(digits, '\0', &id);

	return (count == 3 && diag_id_allowed(id, 11)) || (count == 8 && diag_id_allowed(id, 29));
}

/* Only "continue, all of it, at once". */
static bool flow_data_passes(const struct elm327_gate *gate, const char *digits)
{
	uint32_t value = 0;
	const unsigned count = read_hex(digits, '\0', &value);

	if (gate->extension)
		return count == 8 && value == ((uint32_t)gate->extension << 24 | 0x300000);
	return count == 6 && value == 0x300000;
}

static bool pair_passes(const char *text)
{
	uint32_t id = 0;
	const char *comma = strchr(text, ',');

	return comma && read_hex(text, ',', &id) == 3 && diag_id_allowed(id, 11) &&
	       read_hex(comma + 1, '\0', &id) == 3;
}

static bool command_passes(struct elm327_gate *gate, const char *text)
{
	const char *rest;
	uint32_t value = 0;

	if (is_reset(text)) {
		*gate = (struct elm327_gate){.resetting = true};
		return true;
	}
	if (is_listed(text))
		return true;
	if ((rest = behind(text, "ATSH")) != NULL)
		return header_passes(gate, rest);
	if ((rest = behind(text, "ATCP")) != NULL)
		return priority_passes(gate, rest);
	if ((rest = behind(text, "ATCEA")) != NULL)
		return extension_passes(gate, rest);
	if ((rest = behind(text, "ATFCSH")) != NULL)
		return id_passes(rest);
	if ((rest = behind(text, "ATFCSD")) != NULL)
		return flow_data_passes(gate, rest);
	if ((rest = behind(text, "STCAFCP")) != NULL)
		return pair_passes(rest);
	if ((rest = behind(text, "ATCRA")) != NULL)
		return read_hex(rest, '\0', &value) == 3 || read_hex(rest, '\0', &value) == 8;
	if ((rest = behind(text, "ATST")) != NULL || (rest = behind(text, "ATTA")) != NULL)
		return read_hex(rest, '\0', &value) == 2;
	return false;
}

bool elm327_gate_passes(struct elm327_gate *gate, const struct elm327_reply *begun)
{
	return begun->request_len ? request_passes(gate, begun) : command_passes(gate, begun->sent);
}

void elm327_gate_reply(struct elm327_gate *gate, const struct elm327_reply *reply)
{
	gate->known = gate->known || (gate->resetting && reply->kind == ELM327_OK);
	gate->resetting = false;
}
