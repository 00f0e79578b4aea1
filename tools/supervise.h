/* SPDX-License-Identifier: MIT
 *
 * A program that is run as our child until it and all that it started have ended.
 */
#ifndef SUPERVISE_H
#define SUPERVISE_H

#include <stdbool.h>

struct outcome {
	int status; /* of the program; 128 + signal; or why it could not be run */
	bool started;
	bool left; /* some of its processes go on */
};

/*
 * Runs `argv` and waits. `seconds`, if not 0: then all is asked to end, and killed
 * where it has not five seconds later. Signals sent to this process are passed on;
 * once the program itself has ended they end the wait for what it left.
 */
struct outcome supervise(char **argv, double seconds);

#endif
