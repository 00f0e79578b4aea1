/* SPDX-License-Identifier: MIT
 *
 * Small files of the kernel's, read with one descriptor and without allocation: the
 * limits of this process may be what is looked at.
 */
#include "procfs.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool procfs_read(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n = 0;

	if (fd < 0)
		return false;
	while (len < size - 1 && (n = read(fd, text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	close(fd);
	if (len && text[len - 1] == '\n')
		len--;
	text[len] = '\0';
	return n >= 0;
}

long procfs_status(const char *key, long none)
{
	char text[8192], line[64];
	const char *at;

	if (!procfs_read("/proc/self/status", text, sizeof(text)))
		return none;
	snprintf(line, sizeof(line), "\n%s:", key);
	at = strstr(text, line);
	return at ? strtol(at + strlen(line), NULL, 10) : none;
}

int procfs_kill_children(int sig)
{
	char path[64], text[65536];
	const char *at = text;
	int killed = 0;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	if (!procfs_read(path, text, sizeof(text)))
		return 0;
	for (;;) {
		char *end;
		long pid = strtol(at, &end, 10);

		if (end == at)
			return killed;
		/* Cut off in the middle, it would be somebody else's number. */
		if (pid > 1 && (*end == ' ' || at - text < (long)sizeof(text) - 16))
			killed += kill((pid_t)pid, sig) == 0;
		at = end;
	}
}
