/* SPDX-License-Identifier: MIT
 *
 * events COMMAND [STYLE...]: the command line of the event-loop programs.
 */
#include <sys/prctl.h>

#include "events.h"

struct style style = { .most = BATCH, .chunk = 256 << 10, .late = "late" };

static bool named(const char *text, const char *const *names, int *which)
{
	for (int i = 0; names[i]; i++)
		if (!strcmp(text, names[i])) {
			*which = i;
			return true;
		}
	return false;
}

static bool style_flag(const char *text)
{
	static const struct {
		const char *name;
		uint32_t flag;
	} flags[] = {
		{ "lt", 0 },
		{ "et", EPOLLET },
		{ "oneshot", EPOLLONESHOT },
		{ "exclusive", EPOLLEXCLUSIVE },
		{ "rdhup", EPOLLRDHUP },
	};

	for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (!strcmp(text, flags[i].name)) {
			style.flags |= flags[i].flag;
			return true;
		}
	return false;
}

static bool style_switch(const char *text)
{
	const struct a_switch switches[] = {
		{ "both", &style.both },	 { "replaces", &style.replaces },
		{ "blocking", &style.blocking }, { "position", &style.position },
		{ "slowly", &style.slowly },	 { NULL, NULL },
	};

	return switched(text, switches);
}

static bool style_value(const char *text)
{
	int n;

	if (sscanf(text, "most=%d", &n) == 1)
		style.most = n;
	else if (sscanf(text, "chunk=%d", &n) == 1)
		style.chunk = (size_t)n;
	else if (sscanf(text, "own=%31s", style.own) == 1)
		return true;
	else if (sscanf(text, "number=%d,%d", &style.number, &style.number2) == 2)
		return true;
	else if (!strcmp(text, "soon"))
		style.late = "soon";
	else
		return false;
	return true;
}

static bool style_word(const char *text)
{
	static const char *const calls[] = { "epoll_wait", "epoll_pwait", "epoll_pwait2",
					     "poll",	   "ppoll",	  "select",
					     "pselect",	   NULL };
	static const char *const forms[] = { "u64", "fd", "ptr", NULL };
	static const char *const readers[] = { "recv",	  "read",  "recvfrom",
					       "recvmsg", "readv", NULL };
	int which;

	if (named(text, calls, &which))
		style.call = (enum call)which;
	else if (named(text, forms, &which))
		style.form = (enum form)which;
	else if (named(text, readers, &which))
		style.reader = (enum reader)which;
	else
		return style_flag(text) || style_switch(text) || style_value(text);
	return true;
}

int main(int argc, char **argv)
{
	static const struct way *const all[] = { kinds, sets,	 forks, changes,
						 times, numbers, sends, requests };
	struct rlimit rl;

	/* Nothing of a test outlives its driver. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (argc < 2)
		return 64;
	for (int i = 2; i < argc; i++)
		if (!style_word(argv[i])) {
			say("no such style: %s\n", argv[i]);
			return 64;
		}
	/* select() takes no more, and the top of the table is then the same everywhere. */
	MUST(getrlimit(RLIMIT_NOFILE, &rl));
	rl.rlim_cur = FDS;
	MUST(setrlimit(RLIMIT_NOFILE, &rl));
	signal(SIGPIPE, SIG_IGN);
	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		for (const struct way *w = all[i]; w->name; w++)
			if (!strcmp(w->name, argv[1])) {
				w->run();
				return 0;
			}
	say("no such command: %s\n", argv[1]);
	return 64;
}
