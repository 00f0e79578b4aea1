/* SPDX-License-Identifier: MIT
 *
 * `fuse-aio report`.
 */
#include "commands.h"

int cmd_report(int argc, char **argv)
{
	(void)argc;
	return complain("%s is not there yet", argv[0]);
}
