/* A probe's result for a person at a terminal. */
#include <string.h>

#include "agent/probe/probe.h"
#include "model/wire/json.h"
#include "model/wire/value.h"

#define WIDTH 92
#define MARGIN 13 /* "  adapter    " */
#define LABEL "  %-10s "

/* ---- words ---- */

void probe_vin(const struct probe_result *result, bool show_vin, char out[static MODEL_VIN_SIZE])
{
	const char *vin = result->report.vin;

	if (!vin[0])
		vin = result->report.vin_given;
	if (!vin[0])
		out[0] = '\0';
	else if (show_vin)
		(void)snprintf(out, MODEL_VIN_SIZE, "%s", vin);
	else
		model_vin_mask(vin, out);
}

static const char *word_of_judgement(const struct probe_result *result)
{
	static const struct {
		const char *judgement, *words;
	} table[] = {
		{"right", "its check digit is right"},
		{"unchecked", "its region has no check digit"},
		{"wrong_sum", "not believed: its check digit is wrong"},
		{"bad", "not believed: no VIN has such characters"},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strcmp(table[i].judgement, result->report.vin_judgement) == 0)
			return table[i].words;
	return "";
}

static void put_hex(struct buf *out, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		buf_printf(out, "%02X", data[i]);
}

void probe_evidence(const struct probe_result *result, const struct probe_candidate *candidate,
		    char out[static PROBE_EVIDENCE_SIZE])
{
	const struct profile_command *command = candidate->inquiry.command;
	struct buf text;

	out[0] = '\0';
	buf_init(&text, PROBE_EVIDENCE_SIZE - 1);
	if (candidate->vin_match)
		buf_printf(&text, "the VIN begins with %.*s", (int)candidate->vin_match,
			   result->report.vin);
	if (command && candidate->inquiry.outcome == OBD_INQUIRY_ANSWERED) {
		buf_printf(&text, "%s%X answers ", text.len ? "; " : "", candidate->inquiry.ecu);
		put_hex(&text, command->request, command->request_len);
	}
	if (text.len && buf_text(&text))
		(void)snprintf(out, PROBE_EVIDENCE_SIZE, "%s", buf_text(&text));
	buf_free(&text);
}

/* ---- lines ---- */

static void label(struct buf *out, const char *word)
{
	buf_printf(out, LABEL, word);
}

/* A sentence, broken at its blanks. */
static void put_wrapped(struct buf *out, const char *text)
{
	size_t column = MARGIN;

	while (*text) {
		const size_t len = strcspn(text, " ");

		if (column > MARGIN && column + 1 + len > WIDTH) {
			buf_printf(out, "\n%*s", MARGIN, "");
			column = MARGIN;
		}
		buf_printf(out, "%s%.*s", column > MARGIN ? " " : "", (int)len, text);
		column += len + (column > MARGIN);
		text += len;
		text += strspn(text, " ");
	}
	buf_putc(out, '\n');
}

static void say_adapter(const struct probe_result *result, struct buf *out)
{
	const struct source_report *report = &result->report;

	if (!report->adapter[0])
		return;
	label(out, "adapter");
	buf_puts(out, report->adapter);
	if (report->chip[0])
		buf_printf(out, " (%s)", report->chip);
	if (report->baud)
		buf_printf(out, ", %u baud", report->baud);
	buf_putc(out, '\n');
	if (report->missing[0]) {
		label(out, "");
		buf_puts(out, "lacks: ");
		put_wrapped(out, report->missing);
	}
}

static void say_unit(const struct obd_unit *unit, struct buf *out)
{
	struct buf names;
	bool has_more = false;
	unsigned count = 0;

	buf_init(&names, 4096);
	for (unsigned pid = 1; pid <= 0xff; pid++) {
		const char *name = obd2_pid_name((uint8_t)pid);

		if (!obd2_supports(&unit->support, (uint8_t)pid))
			continue;
		/* The last of a bitmap says that another one follows: the probe of a source asks for
		 * those only that its profile needs. */
		has_more = pid % 0x20 == 0;
		if (has_more)
			continue;
		count++;
		if (name)
			buf_printf(&names, " %s", name);
		else
			buf_printf(&names, " %02X", pid);
	}
	label(out, "");
	if (!count && has_more)
		buf_printf(out, "%X answers\n", unit->id);
	else
		buf_printf(out, "%X has %u parameter%s%s%s", unit->id, count, count == 1 ? "" : "s",
			   has_more ? " or more" : "", names.len ? ":\n" : "\n");
	if (names.len && buf_text(&names)) {
		label(out, "");
		put_wrapped(out, buf_text(&names) + 1);
	}
	buf_free(&names);
}

static void say_vehicle(const struct probe_result *result, bool show_vin, struct buf *out)
{
	const struct source_report *report = &result->report;
	char vin[MODEL_VIN_SIZE];

	label(out, "vehicle");
	buf_puts(out, report->protocol[0] ? report->protocol : "an unknown bus");
	if (result->view.unit_count)
		buf_printf(out, ", %zu control unit%s\n", result->view.unit_count,
			   result->view.unit_count == 1 ? "" : "s");
	else
		buf_puts(out, ", silent when everybody is asked\n");
	for (size_t i = 0; i < result->view.unit_count; i++)
		say_unit(&result->units[i], out);
	probe_vin(result, show_vin, vin);
	label(out, "VIN");
	if (vin[0])
		buf_printf(out, "%s (%s)\n", vin, word_of_judgement(result));
	else
		buf_puts(out, "the vehicle does not give it\n");
	label(out, "state");
	buf_printf(out, "%s\n", report->activity);
}

/* ---- profiles ---- */

static bool is_also_possible(const struct probe_candidate *candidate)
{
	return candidate->vin_match ||
	       (candidate->inquiry.command && candidate->inquiry.outcome == OBD_INQUIRY_ANSWERED);
}

static bool is_unasked(const struct probe_candidate *candidate)
{
	return candidate->inquiry.outcome == OBD_INQUIRY_UNREACHABLE && !candidate->vin_match;
}

/* The families from candidate `first` on that are not asked for the same reason; none where an earlier
 * one had it. */
static void put_families(const struct probe_result *result, size_t first, struct buf *out)
{
	const char *problem = result->candidates[first].inquiry.problem;

	for (size_t i = 0; i < first; i++)
		if (is_unasked(&result->candidates[i]) &&
		    strcmp(result->candidates[i].inquiry.problem, problem) == 0)
			return;
	buf_printf(out, "%s; not asked for:", problem);
	for (size_t i = first; i < result->candidate_count; i++)
		if (is_unasked(&result->candidates[i]) &&
		    strcmp(result->candidates[i].inquiry.problem, problem) == 0)
			buf_printf(out, "%s %s", i > first ? ";" : "",
				   profile_title(result->candidates[i].profile));
}

/* Families that this adapter cannot ask for: the vehicle may be one of them. */
static void say_unasked(const struct probe_result *result, const char *word, struct buf *out)
{
	struct buf text;

	buf_init(&text, 8192);
	for (size_t i = 0; i < result->candidate_count; i++) {
		if (!is_unasked(&result->candidates[i]))
			continue;
		buf_reset(&text);
		put_families(result, i, &text);
		if (!text.len || !buf_text(&text))
			continue;
		label(out, word);
		put_wrapped(out, buf_text(&text));
		word = "";
	}
	buf_free(&text);
}

static void say_others(const struct probe_result *result, struct buf *out)
{
	char evidence[PROBE_EVIDENCE_SIZE];

	for (size_t i = 0; i < result->candidate_count; i++) {
		const struct probe_candidate *candidate = &result->candidates[i];

		if ((int)i == result->suggested || (int)i == result->unreadable ||
		    !is_also_possible(candidate))
			continue;
		probe_evidence(result, candidate, evidence);
		label(out, "");
		buf_printf(out, "possible, too: %s (%s)\n", profile_name(candidate->profile),
			   evidence);
	}
	/* What answers its own question, or has the VIN, is no other family. */
	if (result->unreadable < 0 &&
	    (result->suggested < 0 || !is_also_possible(&result->candidates[result->suggested])))
		say_unasked(result, "", out);
}

static void say_unreadable(const struct probe_result *result, struct buf *out)
{
	const struct probe_candidate *candidate;
	char evidence[PROBE_EVIDENCE_SIZE];

	if (result->unreadable < 0)
		return;
	candidate = &result->candidates[result->unreadable];
	probe_evidence(result, candidate, evidence);
	label(out, "");
	buf_printf(out, "%s would fit (%s);\n", profile_name(candidate->profile), evidence);
	label(out, "");
	buf_printf(out, "%s: use a genuine one, or an STN\n",
		   candidate->inquiry.problem ? candidate->inquiry.problem
					      : "the adapter can ask nothing of it");
}

/* What is not read for the same reason as refusal `first`; none where an earlier one had it. */
static void put_refused(const struct probe_result *result, size_t first, struct buf *out)
{
	const char *reason = result->refusals[first].reason;

	for (size_t i = 0; i < first; i++)
		if (strcmp(result->refusals[i].reason, reason) == 0)
			return;
	for (size_t i = first; i < result->refusal_count; i++)
		if (strcmp(result->refusals[i].reason, reason) == 0)
			buf_printf(out, "%s%s", i > first ? ", " : "", result->refusals[i].what);
	buf_printf(out, ": %s", reason);
}

static void say_refusals(const struct probe_result *result, struct buf *out)
{
	const char *word = "not read";
	struct buf text;

	buf_init(&text, 8192);
	for (size_t i = 0; i < result->refusal_count; i++) {
		buf_reset(&text);
		put_refused(result, i, &text);
		if (!text.len || !buf_text(&text))
			continue;
		label(out, word);
		put_wrapped(out, buf_text(&text));
		word = "";
	}
	buf_free(&text);
}

static void say_profile(const struct probe_result *result, struct buf *out)
{
	char evidence[PROBE_EVIDENCE_SIZE];
	const struct probe_candidate *candidate;

	label(out, "profile");
	if (result->suggested < 0) {
		buf_puts(out, "none fits\n");
		say_others(result, out);
		return;
	}
	candidate = &result->candidates[result->suggested];
	buf_printf(out, "%s: %s\n", profile_name(candidate->profile),
		   profile_title(candidate->profile));
	probe_evidence(result, candidate, evidence);
	if (evidence[0] || (result->unreadable < 0 && result->candidate_count > 1)) {
		label(out, "");
		buf_printf(out, "%s\n",
			   evidence[0] ? evidence : "nothing speaks for one of the other profiles");
	}
	say_unreadable(result, out);
	say_others(result, out);
	say_refusals(result, out);
}

/* For people: six digits are more than any vehicle measures. */
static void put_value(const struct model_item *item, struct buf *out)
{
	const enum model_field field = (enum model_field)item->field;
	struct jw w;

	if (model_field_info(field)->type == MODEL_TYPE_NUMBER) {
		buf_printf(out, "%.6g", item->value.as.number);
		return;
	}
	jw_init(&w, out);
	wire_value_encode(&w, field, &item->value);
}

static void say_values(const struct probe_result *result, struct buf *out)
{
	const struct model_update *known = &result->known;
	char name[WIRE_FIELD_NAME_SIZE];
	const char *word = "values";
	struct buf value;

	buf_init(&value, MODEL_TEXT_MAX);
	for (size_t i = 0; i < known->item_count; i++) {
		const enum model_field field = (enum model_field)known->items[i].field;

		if (field == MODEL_FIELD_IDENTITY_VIN)
			continue; /* shown above, masked */
		wire_field_name(field, name);
		buf_reset(&value);
		put_value(&known->items[i], &value);
		label(out, word);
		buf_printf(out, "%-36s %s\n", name, value.error ? "?" : buf_text(&value));
		word = "";
	}
	if (*word) {
		label(out, word);
		buf_puts(out, "none came\n");
	}
	buf_free(&value);
}

static void say_trouble(const struct probe_result *result, const char *device, struct buf *out)
{
	const char *advice = probe_advice(&result->report, device);
	const struct model_item *volts =
		model_update_get(&result->known, MODEL_FIELD_AUX_BATTERY_V);

	if (!result->found && volts && !volts->null) {
		label(out, "plug");
		buf_printf(out, "%.1f V\n", volts->value.as.number);
	}
	label(out, "trouble");
	put_wrapped(out, result->report.detail);
	if (*advice) {
		label(out, "to do");
		put_wrapped(out, advice);
	}
	if (!result->found)
		say_unasked(result, "or", out);
}

void probe_say(const struct probe_result *result, const char *device, bool show_vin,
	       struct buf *out)
{
	buf_printf(out, "%s\n", device);
	say_adapter(result, out);
	if (result->found) {
		say_vehicle(result, show_vin, out);
		say_profile(result, out);
		say_values(result, out);
	}
	if (result->report.state != SOURCE_OK || !result->found)
		say_trouble(result, device, out);
}
