/* What the files of the OBD-II source share. Which file does what:
 *
 *	obd.c           the source as others see it: made, started, stopped, asked for a report
 *	obd_bus.h       the way to the vehicle: by an adapter (obd_elm_priv.h says which file does what)
 *	                or by a CAN interface
 *	obd_talk.c      opening and closing; one request after the other, its reply
 *	obd_mend.c      a bus that fails, replies that make no sense
 *	obd_trouble.c   the words for a way that is not there
 *	obd_discover.c  who is there: protocol, control units, supported parameters
 *	obd_vin.c       which vehicle it is
 *	obd_wants.c     what is to be asked for, from the configuration and the profile
 *	obd_plan.c      what of it this vehicle and the way to it can do
 *	obd_run.c       what is asked next, by the rhythm; sleep
 *	obd_quiet.c     a bus that tells by itself whether the vehicle sleeps
 *	obd_several.c   several parameters in one request
 *	obd_answer.c    what came of a request
 *	obd_lists.c     trouble codes and calibration ids
 *	obd_inquire.c   questions of a probe's
 *	obd_tell.c      what is told: the source's state, and updates of the vehicle
 *
 * The course of a connection: open, search, discover, run. Everything happens on the loop; the source
 * is always in exactly one of: the bus is busy, a timer is armed.
 */
#ifndef AGENT_SOURCE_OBD_PRIV_H
#define AGENT_SOURCE_OBD_PRIV_H

#include "agent/protocol/obd2.h"
#include "agent/source/obd.h"
#include "agent/source/obd_bus.h"
#include "agent/source/obd_target.h"

#define OBD_SECOND INT64_C(1000000)
#define OBD_REOPEN_MIN_US (OBD_SECOND / 2) /* a dongle that is plugged in again is soon found */
#define OBD_BUS_PAUSE_US (2 * OBD_SECOND)
#define OBD_DAMAGED_MAX 3                 /* times that what came damaged is asked for again */
#define OBD_VIN_WAIT_US (60 * OBD_SECOND) /* until a VIN that is not known is asked for again */

#define OBD_SEVERAL_MAX 6 /* parameters of one request (SAE J1979) */

/* What the bus is busy with. */
enum obd_phase {
	OBD_PHASE_CLOSED,  /* the timer opens it again */
	OBD_PHASE_OWN,     /* its own affairs */
	OBD_PHASE_SEARCH,  /* 0100: is anybody there? */
	OBD_PHASE_DETECT,  /* the profile's own question, where nobody answers that */
	OBD_PHASE_SUPPORT, /* 0120, 0140 ... */
	OBD_PHASE_VIN,     /* 0902, 22F190 ... */
	OBD_PHASE_ITEM,    /* items[current], or several of them */
	OBD_PHASE_INQUIRY, /* inquiries[0] */
	OBD_PHASE_COUNT
};

/* Whom commands of the profile talk to. */
struct obd_ecu {
	struct diag_target target; /* as the profile has it */
	struct diag_target now;    /* narrowed where the answers were too many */
	bool silent;               /* the last request to it was not answered */
};

/* A command of the profile that is asked for again and again. */
struct obd_item {
	size_t command; /* index in the profile */
	unsigned ecu;   /* of ecus[] */
	bool named;     /* by the configuration */
	bool single;    /* one parameter of service 01 that everybody is asked for */
	bool tried;     /* since the connect */
	bool barred;
	uint32_t heard[OBD_UNITS_MAX]; /* who has answered it since the connect; of lists */
	size_t heard_count;
};

enum obd_several {
	OBD_SEVERAL_UNTRIED,
	OBD_SEVERAL_TRIAL, /* two are out */
	OBD_SEVERAL_WORKS,
	OBD_SEVERAL_NEVER,
};

struct obd {
	struct source source;
	const struct profile *profile;
	struct obd_reading *reading;
	struct rhythm *rhythm;
	bool running;

	/* The conversation. */
	struct obd_bus *bus;
	struct loop_timer timer;
	void (*later)(struct obd *obd); /* what the timer is for */
	enum obd_phase phase;
	struct obd_request request;
	int64_t reopen_us;
	int bus_errors, garbage;
	int unusable;       /* replies to searches, in a row */
	int64_t failing_us; /* no usable answer since then; MODEL_NO_TIME: the last was one */

	/* The vehicle. */
	struct obd_unit units[OBD_UNITS_MAX];
	size_t unit_count;
	uint8_t base;                      /* of the bitmap that is asked for */
	bool by_detect;                    /* it answers the profile's question, not 0100 */
	bool by_everybody;                 /* it has answered 0100 since the adapter was opened */
	bool detected;                     /* or the profile's question */
	bool answered;                     /* or anything else */
	bool found;                        /* somebody answered since the set-up */
	bool connected;                    /* discovery is done; it is not asleep */
	int64_t quiet_due_us;              /* when to say again that its bus is silent */
	int64_t stir_due_us, stir_wait_us; /* when a bus that is not may be looked at again */
	bool asleep;                       /* nobody answered the last look */
	bool fresh;                        /* it was not discovered since the device was opened */
	bool whole_due;                    /* the first full round is not over yet */
	size_t vin_step;                   /* which way to the VIN is tried */
	bool vin_late;                     /* while the vehicle is read already */
	int64_t vin_due_us, vin_wait_us;
	enum obd_vin vin_sure;         /* of report.vin_given or report.vin */
	char vin_last[MODEL_VIN_SIZE]; /* whose odometer the reading remembers */

	/* What is asked for. */
	struct obd_item *items;
	size_t item_count;
	struct obd_ecu ecus[RHYTHM_ECUS_MAX];
	size_t ecu_count;
	size_t current; /* of items */
	enum obd_several several;
	size_t joined[OBD_SEVERAL_MAX]; /* of items, in the request that is out */
	size_t joined_count;
	int several_failures;

	struct obd_inquiry *inquiries; /* the caller's, from the one that is next */
	size_t inquiries_left;
	struct obd_inquiry *inquiry_out; /* whose reply is awaited; NULL: nobody's */
	int inquiry_tries;
	const char *detect_problem; /* of struct obd_view */

	struct source_refusal *refusals; /* room for every item */
	struct source_report report;
	struct model_update update;
	struct model_update_room room;
};

static inline int64_t obd_now_us(const struct obd *obd)
{
	return loop_now_us(obd->source.env->loop);
}

static inline const struct profile_command *obd_command(const struct obd *obd, size_t item)
{
	return profile_command(obd->profile, obd->items[item].command);
}

/* Trouble codes, calibration ids: of all units together. */
static inline bool obd_is_list(const struct obd *obd, size_t item)
{
	return obd_command(obd, item)->kind != PROFILE_KIND_SIGNALS;
}

/* ---- obd_talk.c ---- */

extern const struct obd_bus_events obd_bus_events;

/* Nothing of the way and of the vehicle behind it is sure any more. */
void obd_forget_way(struct obd *obd);
/* Opens the way to the vehicle; where that fails, tries again later. */
void obd_open(struct obd *obd);
/* `later` is called after `us`, where the bus is idle then. Returns 0 or -ENOMEM. */
int obd_wait(struct obd *obd, int64_t us, void (*later)(struct obd *obd));
/* Sends a request. Returns 0, or negative as obd_bus_ops says of a way: nothing was sent then. */
int obd_ask(struct obd *obd, enum obd_phase phase, const struct diag_target *target,
	    const uint8_t *bytes, size_t len, int64_t timeout_us);
/* Sends the last request again. */
void obd_ask_again(struct obd *obd);
/* As obd_bus_ops. */
int obd_way(const struct obd *obd, const struct diag_target *target);
const char *obd_way_problem(const struct obd *obd, int error);

/* ---- obd_mend.c ---- */

/* What every request has in common. True where the reply is dealt with. */
bool obd_mend(struct obd *obd, const struct obd_reply *reply);
/* Unusable replies in a row: the bus is not where we think it is. True where it begins anew. */
bool obd_too_much_garbage(struct obd *obd);

/* ---- obd_trouble.c ---- */

struct obd_trouble {
	const char *reason, *detail; /* static */
};

/* What is said of a way at `address` that ended, or did not open, with `error` (-errno). */
const struct obd_trouble *obd_trouble(const char *address, int error);

/* ---- obd_discover.c ---- */

/* Is something of it lost? */
bool obd_is_damaged(const struct obd_reply *reply);
/* Asks whether anybody is there. Where the vehicle is known already, only that. */
void obd_start_search(struct obd *obd);
/* Requests may be sent: searches, or goes on where the bus is known. */
void obd_go_on_discovering(struct obd *obd);
void obd_on_search_reply(struct obd *obd, const struct obd_reply *reply);
void obd_on_detect_reply(struct obd *obd, const struct obd_reply *reply);
void obd_on_support_reply(struct obd *obd, const struct obd_reply *reply);
/* The vehicle is known: begins to read it. */
void obd_end_discovery(struct obd *obd);

/* ---- obd_vin.c ---- */

void obd_start_vin(struct obd *obd);
/* Asks for the VIN of a vehicle that is read without one, now and then. False where it is not time. */
bool obd_ask_late_vin(struct obd *obd);
void obd_on_vin_reply(struct obd *obd, const struct obd_reply *reply);
/* Every way was tried, or one has led there. */
void obd_end_vin(struct obd *obd);

/* ---- obd_plan.c ---- */

/* Makes items and control units from what is wanted. Returns 0, -ENOMEM or -EINVAL. */
int obd_plan_make(struct obd *obd);
void obd_plan_free(struct obd *obd);
/* Bars what this vehicle or this adapter cannot do, and says why. */
void obd_plan_fit(struct obd *obd);
/* The report says why an item gives nothing, a sentence's end; or not any more. */
void obd_note_refusal(struct obd *obd, size_t item, const char *reason);
void obd_take_back_refusal(struct obd *obd, size_t item);
/* It is not asked for any more, too, as long as the vehicle is connected. */
void obd_refuse(struct obd *obd, size_t item, const char *reason);
/* What a vehicle is asked that keeps silent when everybody is: the profile's own question, or where
 * the adapter cannot ask that, something else of the profile. NULL: nothing. */
const struct profile_command *obd_plan_question(const struct obd *obd);
/* ATSP's number to begin with: the profile's; where that names none and speaks to single units only, the
 * usual one with such identifiers; else 0. */
uint8_t obd_plan_protocol(const struct profile *profile);
/* Items of service 01 wait for the bitmaps from `base` on. */
bool obd_plan_wants_support(const struct obd *obd, uint8_t base);

/* ---- obd_run.c ---- */

/* Does what the rhythm says. */
void obd_next(struct obd *obd);
/* Asks for items[item]. */
void obd_ask_item(struct obd *obd, size_t item);
/* Nobody is there. `frames` were spent to learn it. */
void obd_fall_asleep(struct obd *obd, unsigned frames);
void obd_measured(struct obd *obd, bool known, double volts);

/* ---- obd_quiet.c ---- */

/* Is it sure, without asking, that the vehicle that is left alone sleeps? */
bool obd_is_quiet(const struct obd *obd);
/* Listens to the bus of a vehicle that is left alone, where that can be, and says now and then that it
 * sleeps; *until_us comes nearer where that is to be done sooner. True where it has just fallen asleep:
 * what is next is on its way. */
bool obd_listen(struct obd *obd, int64_t *until_us);
/* Nobody has answered: who speaks on the bus all the same is looked at again, less and less. */
void obd_wait_for_stir(struct obd *obd);
void obd_stirred(struct obd *obd, bool woke);

/* ---- obd_several.c ---- */

/* Joins what else is due to the request for items[item], where vehicle and bus take that. Returns the
 * length of the request, 0 where it goes alone. */
size_t obd_several_join(struct obd *obd, size_t item, uint8_t request[static PROFILE_REQUEST_MAX]);
/* The reply to such a request. */
void obd_several_reply(struct obd *obd, const struct obd_reply *reply);

/* ---- obd_answer.c ---- */

void obd_on_item_reply(struct obd *obd, const struct obd_reply *reply);
/* One item has come to an end. */
void obd_item_done(struct obd *obd, size_t item, enum rhythm_outcome outcome, unsigned frames);
/* Answers to one item become an update. False where none of them is usable. */
bool obd_take_answers(struct obd *obd, size_t item, const struct obd_answer *answers, size_t count);

/* ---- obd_lists.c ---- */

/* Trouble codes, calibration ids. Returns how many fields were set in obd->update, negative where no
 * answer is what it should be. */
int obd_take_list(struct obd *obd, const struct profile_command *command,
		  const struct obd_answer *answers, size_t count);

/* ---- obd_inquire.c ---- */

/* Asks the next inquiry. False where there is none. */
bool obd_next_inquiry(struct obd *obd);
void obd_on_inquiry_reply(struct obd *obd, const struct obd_reply *reply);

/* ---- obd_tell.c ---- */

extern const char obd_starting[]; /* the reason before the first value */
extern const char obd_bus_error[];

/* Tells the owner where state or reason is another one. `reason` is static. */
void obd_set_state(struct obd *obd, enum source_state state, const char *reason,
		   const char *detail);
/* The vehicle has given a usable answer. */
void obd_set_ok(struct obd *obd);
/* The vehicle is left alone, or not any more. */
void obd_tell_rest(struct obd *obd);
void obd_tell_silent_vehicle(struct obd *obd);
/* A request had no usable answer, though the adapter works: says so where that goes on. */
void obd_check_silence(struct obd *obd);
/* Something was refused for good: says so where nothing is left to be asked for. */
void obd_check_left(struct obd *obd);
/* Says so at once, where nothing else is said already. */
void obd_tell_silence(struct obd *obd);
/* A unit answers, whatever it says: not a silent source's fault. */
void obd_note_answer(struct obd *obd);
/* Empties obd->update for something that was observed just now. */
struct model_update *obd_begin_update(struct obd *obd);
/* Hands it on; with the VIN where the vehicle has answered, what its plug or its silence tells is not
 * its. */
void obd_emit(struct obd *obd, bool answered);

#endif
