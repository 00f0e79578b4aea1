/* SPDX-License-Identifier: MIT
 *
 * `fuse-aio top`.
 */
#include "commands.h"

int cmd_top(int argc, char **argv)
{
	(void)argc;
	return complain("%s is not there yet", argv[0]);
}
