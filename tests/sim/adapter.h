/* A simulated adapter on a line: a pty under a stable name, or a TCP port, with its vehicle.
 *
 * Lives on the loop's thread. Unplugging closes the line as a pulled USB plug does; plugging in
 * again makes a new line under the same name.
 */
#ifndef SIM_ADAPTER_H
#define SIM_ADAPTER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/loop.h"
#include "tests/sim/elm327.h"
#include "tests/sim/vehicle.h"

struct adapter {
	struct loop *loop;
	char name[32];     /* "bus-01" */
	unsigned baud;     /* a pty with another speed shows garbage; 0: any will do */
	uint16_t port;     /* of TCP; a plug comes back to it */
	char address[256]; /* as an agent's configuration takes it: serial:/..., tcp:host:port */
	char link[224];    /* the pty's stable name; "" for TCP */
	struct vehicle vehicle;
	struct elm327 elm;
	int line;     /* pty master or TCP connection; -1 while nobody is there */
	int keeper;   /* the pty's other end, held open so that an agent may come and go; -1 */
	int listener; /* TCP; -1 */
	bool plugged;
	struct loop_fd line_watch;
	struct loop_fd listen_watch;
	struct loop_timer reply_timer;
	struct buf out; /* bytes that the line has not taken yet */
	uint64_t answers_served;
};

/* Makes the adapter of vehicle `number` (from 1) without a line. `kind`: what vehicle it is; NULL: as
 * vehicle_init() chooses. */
void adapter_init(struct adapter *adapter, struct loop *loop, unsigned number,
		  const enum vehicle_kind *kind, int64_t delay_us);

/* Gives it a pty whose stable name is `link` (an existing symbolic link there is replaced), or
 * a TCP port on 127.0.0.1 (0: the kernel chooses). Return 0 or -errno. */
int adapter_open_pty(struct adapter *adapter, const char *link);
int adapter_open_tcp(struct adapter *adapter, uint16_t port);

/* Pulls the plug and puts it back; what is so already is accepted. 0 or -errno. */
void adapter_unplug(struct adapter *adapter);
int adapter_plug(struct adapter *adapter);

void adapter_close(struct adapter *adapter);

#endif
