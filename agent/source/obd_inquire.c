/* Questions of a probe's: commands of other profiles, each asked once, in place of our own. */
#include <string.h>

#include "agent/source/obd_priv.h"

#define TRIES_MAX 2

static bool is_open(const struct obd_inquiry *inquiry)
{
	return inquiry->outcome == OBD_INQUIRY_OPEN;
}

static void close_inquiry(struct obd_inquiry *inquiry, enum obd_inquiry_outcome outcome,
			  const char *problem)
{
	inquiry->outcome = outcome;
	inquiry->problem = problem;
}

/* Returns 0 where something was sent, or the adapter cannot go there. */
static int ask(struct obd *obd, const struct profile_command *command)
{
	const struct diag_target target = obd_target(&command->ecu);

	return obd_ask(obd, OBD_PHASE_INQUIRY, &target, command->request, command->request_len,
		       obd->source.config->timeout_us);
}

bool obd_next_inquiry(struct obd *obd)
{
	for (; obd->inquiries_left;
	     obd->inquiries++, obd->inquiries_left--, obd->inquiry_tries = 0) {
		struct obd_inquiry *inquiry = obd->inquiries;
		int r;

		if (!is_open(inquiry))
			continue;
		if (obd->inquiry_tries == TRIES_MAX) {
			close_inquiry(inquiry, OBD_INQUIRY_GARBLED, "its replies make no sense");
			continue;
		}
		obd->inquiry_tries++;
		r = ask(obd, inquiry->command);
		if (!r) {
			obd->inquiry_out = inquiry;
			return true;
		}
		close_inquiry(inquiry,
			      r == OBD_E_OTHER_BUS ? OBD_INQUIRY_OTHER_BUS
						   : OBD_INQUIRY_UNREACHABLE,
			      obd_way_problem(obd, r));
	}
	return false;
}

static void take(struct obd_inquiry *inquiry, const struct obd_reply *reply)
{
	switch (reply->kind) {
	case OBD_REPLY_DATA:
	case OBD_REPLY_PARTIAL:
		if (reply->count == 0)
			break;
		inquiry->ecu = reply->answers[0].ecu;
		close_inquiry(inquiry, OBD_INQUIRY_ANSWERED, NULL);
		break;
	case OBD_REPLY_NEGATIVE:
	case OBD_REPLY_PENDING:
		close_inquiry(inquiry, OBD_INQUIRY_REFUSED, NULL);
		break;
	case OBD_REPLY_SILENCE:
		close_inquiry(inquiry, OBD_INQUIRY_SILENT, NULL);
		break;
	case OBD_REPLY_UNSUPPORTED:
		close_inquiry(inquiry, OBD_INQUIRY_UNREACHABLE,
			      "the adapter does not understand the request");
		break;
	default:
		break; /* asked again, or given up */
	}
}

void obd_on_inquiry_reply(struct obd *obd, const struct obd_reply *reply)
{
	if (obd->inquiry_out)
		take(obd->inquiry_out, reply);
	obd->inquiry_out = NULL;
	obd_next(obd);
}

int obd_inquire(struct source *source, struct obd_inquiry *inquiries, size_t count)
{
	struct obd *obd = (struct obd *)source;

	obd->inquiries = inquiries;
	obd->inquiries_left = count;
	obd->inquiry_tries = 0;
	obd->inquiry_out = NULL; /* a reply that is still to come is nobody's */
	/* What is out, or is being mended, comes first; it leads to obd_next(). */
	if (count == 0 || !obd->connected || !obd->bus->ops->idle(obd->bus) ||
	    obd->later != obd_next)
		return 0;
	return obd_wait(obd, 0, obd_next);
}

void obd_view(const struct source *source, struct obd_view *ret_view)
{
	const struct obd *obd = (const struct obd *)source;

	*ret_view = (struct obd_view){
		.connected = obd->connected,
		.asleep = obd->asleep && !obd->connected,
		.units = obd->units,
		.unit_count = obd->unit_count,
		.can = obd->bus->can,
		.detect_problem = obd->detect_problem,
		.inquiries_left = obd->inquiries_left,
	};
}
