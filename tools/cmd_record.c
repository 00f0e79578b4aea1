/* SPDX-License-Identifier: MIT
 *
 * `fuse-aio record`.
 */
#include "commands.h"

int cmd_record(int argc, char **argv)
{
	(void)argc;
	return complain("%s is not there yet", argv[0]);
}
