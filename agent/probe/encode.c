/* A probe's result as JSON. */
#include <string.h>

#include "agent/probe/probe.h"
#include "model/wire/json.h"
#include "model/wire/value.h"

static void put_text(struct jw *w, const char *key, const char *text)
{
	jw_key(w, key);
	if (text && text[0])
		jw_put_text(w, text);
	else
		jw_put_null(w);
}

static void put_adapter(struct jw *w, const struct probe_result *result)
{
	const struct source_report *report = &result->report;

	jw_key(w, "adapter");
	if (!report->adapter[0]) {
		jw_put_null(w);
		return;
	}
	jw_open_object(w);
	put_text(w, "version", report->adapter);
	put_text(w, "chip", report->chip);
	jw_key(w, "baud");
	if (report->baud)
		jw_put_integer(w, report->baud);
	else
		jw_put_null(w);
	jw_key(w, "capabilities");
	jw_open_object(w);
	for (int i = 0; i < ELM327_CAPABILITY_COUNT; i++) {
		const enum elm327_capability capability = (enum elm327_capability)i;

		if (!(result->can.probed & (UINT32_C(1) << i)))
			continue;
		jw_key(w, elm327_capability_name(capability));
		jw_put_bool(w, elm327_can(&result->can, capability));
	}
	jw_close_object(w);
	jw_close_object(w);
}

static void put_units(struct jw *w, const struct probe_result *result)
{
	jw_key(w, "units");
	jw_open_array(w);
	for (size_t i = 0; i < result->view.unit_count; i++) {
		const struct obd_unit *unit = &result->units[i];
		char id[16];

		(void)snprintf(id, sizeof(id), "%X", unit->id);
		jw_open_object(w);
		put_text(w, "id", id);
		jw_key(w, "pids");
		jw_open_array(w);
		for (unsigned pid = 1; pid <= 0xff; pid++)
			if (pid % 0x20 != 0 && obd2_supports(&unit->support, (uint8_t)pid))
				jw_put_integer(w, pid);
		jw_close_array(w);
		jw_close_object(w);
	}
	jw_close_array(w);
}

static void put_vehicle(struct jw *w, const struct probe_result *result, bool show_vin)
{
	char vin[MODEL_VIN_SIZE];

	jw_key(w, "vehicle");
	if (!result->found) {
		jw_put_null(w);
		return;
	}
	probe_vin(result, show_vin, vin);
	jw_open_object(w);
	put_text(w, "bus", result->report.protocol);
	put_text(w, "vin", vin);
	put_text(w, "vin_judgement", result->report.vin_judgement);
	put_text(w, "activity", result->report.activity);
	put_units(w, result);
	jw_close_object(w);
}

static const char *outcome_of(const struct probe_candidate *candidate)
{
	static const char *const names[] = {
		[OBD_INQUIRY_OPEN] = "not_asked",      [OBD_INQUIRY_ANSWERED] = "answered",
		[OBD_INQUIRY_REFUSED] = "refused",     [OBD_INQUIRY_SILENT] = "silent",
		[OBD_INQUIRY_OTHER_BUS] = "other_bus", [OBD_INQUIRY_UNREACHABLE] = "unreachable",
		[OBD_INQUIRY_GARBLED] = "garbled",
	};

	return candidate->inquiry.command ? names[candidate->inquiry.outcome] : "";
}

static void put_candidates(struct jw *w, const struct probe_result *result)
{
	char evidence[PROBE_EVIDENCE_SIZE];

	jw_key(w, "profiles");
	jw_open_array(w);
	for (size_t i = 0; i < result->candidate_count; i++) {
		const struct probe_candidate *candidate = &result->candidates[i];

		probe_evidence(result, candidate, evidence);
		jw_open_object(w);
		put_text(w, "name", profile_name(candidate->profile));
		jw_key(w, "vin_match");
		jw_put_integer(w, (int64_t)candidate->vin_match);
		put_text(w, "detect", outcome_of(candidate));
		put_text(w, "evidence", evidence);
		put_text(w, "problem", candidate->inquiry.problem);
		jw_close_object(w);
	}
	jw_close_array(w);
	put_text(w, "unreadable",
		 result->unreadable < 0
			 ? ""
			 : profile_name(result->candidates[result->unreadable].profile));
	put_text(w, "suggested",
		 result->suggested < 0
			 ? ""
			 : profile_name(result->candidates[result->suggested].profile));
}

static void put_refusals(struct jw *w, const struct probe_result *result)
{
	jw_key(w, "not_read");
	jw_open_array(w);
	for (size_t i = 0; i < result->refusal_count; i++) {
		jw_open_object(w);
		put_text(w, "what", result->refusals[i].what);
		put_text(w, "reason", result->refusals[i].reason);
		jw_close_object(w);
	}
	jw_close_array(w);
}

static void put_values(struct jw *w, const struct probe_result *result)
{
	const struct model_update *known = &result->known;
	char name[WIRE_FIELD_NAME_SIZE];

	jw_key(w, "readings");
	jw_open_object(w);
	for (size_t i = 0; i < known->item_count; i++) {
		const enum model_field field = (enum model_field)known->items[i].field;

		if (field == MODEL_FIELD_IDENTITY_VIN)
			continue; /* shown masked */
		wire_field_name(field, name);
		jw_key(w, name);
		wire_value_encode(w, field, &known->items[i].value);
	}
	jw_close_object(w);
}

void probe_encode(const struct probe_result *result, const char *device, bool show_vin,
		  struct jw *w)
{
	put_text(w, "device", device);
	put_text(w, "state", source_state_name(result->report.state));
	put_text(w, "reason", result->report.reason);
	put_text(w, "detail", result->report.detail);
	put_text(w, "to_do",
		 result->found && result->report.state == SOURCE_OK
			 ? ""
			 : probe_advice(&result->report, device));
	put_adapter(w, result);
	put_vehicle(w, result, show_vin);
	put_candidates(w, result);
	put_refusals(w, result);
	put_values(w, result);
}
