/* SPDX-License-Identifier: MIT
 *
 * `fuse-aio doctor`.
 */
#include "commands.h"

int cmd_doctor(int argc, char **argv)
{
	(void)argc;
	return complain("%s is not there yet", argv[0]);
}
