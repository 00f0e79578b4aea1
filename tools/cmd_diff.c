/* SPDX-License-Identifier: MIT
 *
 * `fuse-aio diff`.
 */
#include "commands.h"

int cmd_diff(int argc, char **argv)
{
	(void)argc;
	return complain("%s is not there yet", argv[0]);
}
