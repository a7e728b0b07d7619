/* The speed of a line in bits a second. Apart from the rest: the kernel's termios2, which knows any
 * speed, cannot be included together with <termios.h>. */
#include "tests/sim/line_speed.h"

#include <asm/termbits.h>
#include <sys/ioctl.h>

unsigned line_speed(int fd)
{
	struct termios2 mode;

	return ioctl(fd, TCGETS2, &mode) == 0 ? mode.c_ospeed : 0;
}
