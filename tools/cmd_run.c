/* SPDX-License-Identifier: MIT
 *
 * `fuse-aio run`.
 */
#include "commands.h"

int cmd_run(int argc, char **argv)
{
	(void)argc;
	return complain("%s is not there yet", argv[0]);
}
