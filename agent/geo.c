#include "agent/geo.h"

#include <math.h>

#define METRES_PER_DEGREE 111320.0 /* of latitude; 40,075 km / 360 */
#define RADIANS_PER_DEGREE 0.017453292519943295

double geo_metres(double latitude_a, double longitude_a, double latitude_b, double longitude_b)
{
	double east = longitude_a - longitude_b;
	double north = latitude_a - latitude_b;

	if (east > 180)
		east -= 360;
	if (east < -180)
		east += 360;
	/* A plane is good enough for what is near, and what is far is far. */
	east *= METRES_PER_DEGREE * cos(latitude_a * RADIANS_PER_DEGREE);
	north *= METRES_PER_DEGREE;
	return sqrt(east * east + north * north);
}
