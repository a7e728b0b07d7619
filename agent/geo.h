/* Distances on the ground. */
#ifndef AGENT_GEO_H
#define AGENT_GEO_H

/* Metres between two places in degrees (WGS 84), good to a percent where they are near each other. */
double geo_metres(double latitude_a, double longitude_a, double latitude_b, double longitude_b);

#endif
