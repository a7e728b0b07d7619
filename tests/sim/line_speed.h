/* The speed to which a terminal line is set. */
#ifndef SIM_LINE_SPEED_H
#define SIM_LINE_SPEED_H

unsigned line_speed(int fd); /* bits a second; 0 where it is not known */

#endif
