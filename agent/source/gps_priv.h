/* What the files of the GPS source share. Which file does what:
 *
 *	gps.c       the source as others see it: made, started, stopped, asked for a report
 *	gps_line.c  opening, closing, the line's speed; bytes that come
 *	gps_nmea.c  bytes of a bare receiver become fixes, and when they arrived
 *	gps_gpsd.c  lines of gpsd become fixes (a build may leave it out)
 *	gps_tell.c  fixes become updates of the vehicle, the source's state
 *	gps_time.c  what the fixes say of the time
 *
 * gpsd is a stream like the others, on which it is asked and answers in lines of JSON.
 */
#ifndef AGENT_SOURCE_GPS_PRIV_H
#define AGENT_SOURCE_GPS_PRIV_H

#include "agent/protocol/nmea.h"
#include "agent/source/gps.h"
#include "agent/source/gps_time.h"

#define GPS_SECOND INT64_C(1000000)
#define GPS_REOPEN_MIN_US (GPS_SECOND / 2)
#define GPS_SILENT_US (10 * GPS_SECOND)
#define GPS_NO_FIX_GRACE_US (30 * GPS_SECOND) /* a tunnel, a bridge */
#define GPS_PERIOD_US (5 * GPS_SECOND)
#define GPS_ADDRESS_SIZE 256

/* A position, whoever has told it. */
struct gps_fix {
	int64_t at_ms;   /* UTC; MODEL_NO_TIME where not told */
	int64_t mono_us; /* when it arrived */
	double latitude, longitude;
	bool has_altitude, has_accuracy, has_speed, has_track;
	double altitude_m; /* above mean sea level */
	double accuracy_m;
	double speed_kmh;
	double track_deg;
	unsigned satellites;
};

enum gps_event { GPS_NOTHING, GPS_FIX, GPS_NO_FIX };

/* When a moment's first bytes came. */
struct gps_arrival {
	int32_t time_of_day_ms; /* -1: none */
	int64_t us;
};

/* A bare receiver's bytes. */
struct gps_nmea {
	struct nmea parser;
	int64_t byte_us;     /* the last byte */
	int64_t burst_us;    /* the first one after a pause */
	int64_t sentence_us; /* the '$' of the sentence that is coming in */
	struct gps_arrival current, before;
};

struct gps_gpsd;

struct gps {
	struct source source;
	char address[GPS_ADDRESS_SIZE]; /* as the stream's opener takes it */
	bool by_gpsd;
	bool running;

	/* The line. */
	struct stream *stream;
	struct loop_fd watch;
	struct loop_timer timer; /* to open again; while it is open, a look at what is missing */
	struct loop_timer pause; /* after the last bytes */
	bool connecting;
	int64_t opened_us;
	int64_t reopen_us;
	int64_t heard_us; /* a whole sentence, or a line of gpsd; MODEL_NO_TIME: none since opened */
	bool is_serial;
	size_t speed; /* of the usual ones, the one that is tried */
	int64_t speed_us;
	unsigned baud; /* at which the receiver was understood; 0: never */
	char out[64];  /* for gpsd */
	size_t out_len, out_sent;
	int64_t asked_us;

	struct gps_nmea nmea;
	int64_t sentences, bad_checksum, malformed; /* of the connections before */
	struct gps_gpsd *gpsd;                      /* NULL for a bare receiver */

	/* What was told. */
	struct gps_fix held; /* the position that stands in the vehicle's record */
	bool has_held;
	bool complete;    /* a whole fix has come since the device was opened */
	bool lost;        /* no_fix was told */
	bool whole_due;   /* the next update states everything */
	int64_t given_us; /* the last update; MODEL_NO_TIME */
	int64_t fix_us;   /* the last fix, or when the receiver began to say that it has none */
	int64_t last_at_ms;
	int64_t epoch_us; /* a fix of a new moment, or a statement that there is none */
	struct gps_time time;
	struct source_report report;
	struct model_update update;
	struct model_update_room room;
};

static inline int64_t gps_now_us(const struct gps *gps)
{
	return loop_now_us(gps->source.env->loop);
}

/* ---- gps_line.c ---- */

/* What `device` means: *ret_gpsd, and the stream's address. 0, or -EINVAL where it is none. */
int gps_address(const char *device, bool *ret_gpsd, char out[static GPS_ADDRESS_SIZE]);
void gps_line_open(struct gps *gps);
void gps_line_close(struct gps *gps);

/* ---- gps_nmea.c ---- */

void gps_nmea_init(struct gps_nmea *nmea, int64_t floor_ms);
/* Takes one byte that came at `now_us`. */
enum gps_event gps_nmea_feed(struct gps_nmea *nmea, uint8_t byte, int64_t now_us,
			     struct gps_fix *ret_fix);
/* The receiver has paused: gives what was held back. */
enum gps_event gps_nmea_flush(struct gps_nmea *nmea, struct gps_fix *ret_fix);

/* ---- gps_gpsd.c ---- */

enum gps_receiver {
	GPS_RECEIVER_UNKNOWN, /* gpsd has not said yet */
	GPS_RECEIVER_NONE,    /* it knows of none */
	GPS_RECEIVER_THERE,
	GPS_RECEIVER_GONE, /* it cannot reach it any more */
};

/* Was it built in? */
bool gps_gpsd_there(void);
/* Returns 0, -ENOMEM, or -ENOTSUP where it was not built in. */
int gps_gpsd_create(struct gps_gpsd **ret_gpsd);
void gps_gpsd_destroy(struct gps_gpsd *gpsd);
/* A new connection. */
void gps_gpsd_reset(struct gps_gpsd *gpsd);
/* Takes one byte that came at `now_us`. *ret_line: it has ended a line that gpsd may have sent. */
enum gps_event gps_gpsd_feed(struct gps_gpsd *gpsd, uint8_t byte, int64_t now_us, bool *ret_line,
			     struct gps_fix *ret_fix);
enum gps_receiver gps_gpsd_receiver(const struct gps_gpsd *gpsd);
/* Lines that could not be read, since it was made. */
int64_t gps_gpsd_malformed(const struct gps_gpsd *gpsd);
/* What it calls its release and its receiver; "" before it has said so. */
const char *gps_gpsd_release(const struct gps_gpsd *gpsd);
const char *gps_gpsd_driver(const struct gps_gpsd *gpsd);

/* ---- gps_tell.c ---- */

/* `reason` is static. */
void gps_set_state(struct gps *gps, enum source_state state, const char *reason,
		   const char *detail);
/* The device ended, or did not open, with `error` (-errno). */
void gps_say_trouble(struct gps *gps, int error);
void gps_take_fix(struct gps *gps, const struct gps_fix *fix);
void gps_take_no_fix(struct gps *gps);

#endif
