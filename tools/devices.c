/* SPDX-License-Identifier: MIT
 *
 * Mount points by device, from /proc/self/mountinfo.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>

#include "devices.h"
#include "text.h"

/* "\040" is a space there. */
static void unescape(char *s)
{
	unsigned int code;
	char *to = s;
	int length;

	while (*s) {
		if (sscanf(s, "\\%3o%n", &code, &length) == 1) {
			*to++ = (char)code;
			s += length;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

char *devices_mount(uint64_t dev)
{
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, *path = NULL, point[4097];
	unsigned int high, low;
	size_t room = 0;

	while (mounts && !path && getline(&line, &room, mounts) > 0) {
		if (sscanf(line, "%*u %*u %u:%u %*s %4096s", &high, &low, point) != 3)
			continue;
		if (high != major(dev) || low != minor(dev))
			continue;
		unescape(point);
		path = text_clean(point, sizeof(point));
	}
	free(line);
	if (mounts)
		fclose(mounts);
	return path;
}
