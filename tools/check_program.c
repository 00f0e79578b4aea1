/* SPDX-License-Identifier: MIT
 *
 * Can the library work in this program, and is it of a kind that gains?
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "doctor.h"
#include "launch.h"

#define EVENT_LOOP "an event loop: gains the most, on any file system whose files wait"
#define WALKER "goes through directories: gains where a network is in between"
#define ONE_BY_ONE "serves one file after the other: gains on slow opens and large files"

static const struct {
	const char *name, *kind, *advice;
} known[] = {
	{ "nginx", EVENT_LOOP,
	  "Leave 'aio threads' off: a process with threads runs plain." },
	{ "lighttpd", EVENT_LOOP, NULL },
	{ "webfsd", EVENT_LOOP, NULL },
	{ "vsftpd", ONE_BY_ONE,
	  "Set FUSE_AIO_PRESPAWN=1: it forbids itself new threads early." },
	{ "apache2", ONE_BY_ONE, "Use mpm_prefork: a process with threads runs plain." },
	{ "httpd", ONE_BY_ONE, NULL },
	{ "proftpd", ONE_BY_ONE, NULL },
	{ "tar", WALKER, NULL },
	{ "cp", WALKER, NULL },
	{ "grep", WALKER, NULL },
	{ "du", WALKER, NULL },
	{ "find", WALKER, NULL },
	{ "zip", WALKER, NULL },
	{ "rsync", WALKER, NULL },
	{ "ls", WALKER, "Little, where files have extended attributes (ls -l)." },
	{ "git", WALKER, "Little: with more than 1,000 files it has threads." },
};

static void tell_kind(struct doctor *d, const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(known[i].name, name)) {
			doctor_say(d, OK, "kind", known[i].advice, "%s", known[i].kind);
			return;
		}
	doctor_say(
		d, OK, "kind",
		"'fuse-aio record' shows what its files cost it. With threads of its own "
		"it runs plain; whether it has any is seen only then.",
		"%s is not one that is known here", name);
}

void check_program(struct doctor *d)
{
	struct linkage l;
	int e = linkage_of(d->command, &l);

	if (e < 0) {
		doctor_say(d, BAD, "program", NULL, "%s: %s",
			   *l.program ? l.program : d->command,
			   e == -ENOENT ? "not found" : strerror(-e));
		return;
	}
	for (unsigned i = 0; i < LINKAGE_REASONS; i++)
		if (l.obstacles & 1U << i)
			doctor_say(d, BAD, "program", NULL, "%s: %s", l.program,
				   linkage_reason(i));
	if (l.obstacles)
		return;
	if (!l.readable)
		doctor_say(d, WARN, "program", NULL,
			   "%s: cannot be read: how it is linked is not known", l.program);
	else
		doctor_say(d, OK, "program", NULL, "%s: dynamic, by glibc's loader%s",
			   l.program, l.script ? " (the interpreter of a script)" : "");
	tell_kind(d, l.path);
}
