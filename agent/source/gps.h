/* The GPS source: where the vehicle is that the gateway sits in, from gpsd or from a bare NMEA receiver
 * (serial line, TCP, Bluetooth), and what time it is. */
#ifndef AGENT_SOURCE_GPS_H
#define AGENT_SOURCE_GPS_H

#include "agent/source/source.h"

#define GPS_PROVIDER "gps"

extern const struct source_ops source_gps_ops;

#endif
