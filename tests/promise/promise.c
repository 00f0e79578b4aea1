/* SPDX-License-Identifier: MIT
 *
 * promise COMMAND [STYLE...]: the command line, and the board.
 */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "promise.h"

struct style style = { .family = AF_INET, .head = BY_WRITE, .body = AT_OFFSET, .count = 1 };
struct board *board;
const char *board_path;
volatile sig_atomic_t pipes_broken;

/* Formats and copies; nothing that the library or the kernel could notice. */
void note(const char *format, ...)
{
	char line[512];
	va_list ap;
	uint32_t at;
	int n;

	va_start(ap, format);
	n = vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	if (n <= 0)
		return;
	if ((size_t)n >= sizeof(line))
		n = sizeof(line) - 1;
	at = __atomic_fetch_add(&board->used, (uint32_t)n, __ATOMIC_RELAXED);
	if (at + (size_t)n > sizeof(board->text))
		_exit(97);
	memcpy(board->text + at, line, (size_t)n);
}

/* A line about a call that has returned this; keeps errno. */
long told(const char *what, long result)
{
	int error = errno;

	if (result < 0)
		note("%s: %ld %s\n", what, result, strerrorname_np(error));
	else
		note("%s: %ld\n", what, result);
	errno = error;
	return result;
}

void reached(uint32_t stage)
{
	__atomic_store_n(&board->stage, stage, __ATOMIC_RELEASE);
}

/* Waits for the test without making a call. */
void stop(uint32_t stage)
{
	reached(stage);
	while (__atomic_load_n(&board->go, __ATOMIC_ACQUIRE) < stage)
		;
}

/* The same in every run. */
unsigned dice(unsigned sides)
{
	style.seed = style.seed * 1103515245U + 12345U;
	return (style.seed >> 16) % sides;
}

bool what_is(const char *name)
{
	return style.what && !strcmp(style.what, name);
}

bool pick(const struct way *ways, const char *name)
{
	for (; ways->name; ways++)
		if (name && !strcmp(ways->name, name)) {
			ways->run();
			return true;
		}
	return false;
}

void handle(int sig, void (*handler)(int), int flags)
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = flags };

	MUST(sigaction(sig, &sa, NULL));
}

static void on_pipe(int sig)
{
	(void)sig;
	pipes_broken++;
}

static void set_sigpipe(void)
{
	sigset_t set;

	switch (style.sigpipe) {
	case PIPE_IGNORED:
		signal(SIGPIPE, SIG_IGN);
		break;
	case PIPE_DEFAULT:
		signal(SIGPIPE, SIG_DFL);
		break;
	case PIPE_HANDLED:
		handle(SIGPIPE, on_pipe, SA_RESTART);
		break;
	case PIPE_BLOCKED:
		sigemptyset(&set);
		sigaddset(&set, SIGPIPE);
		sigprocmask(SIG_BLOCK, &set, NULL);
		break;
	}
}

/* ---- styles ---- */

static bool style_name(const char *text)
{
	static const char *const heads[HEADS] = { "write",    "writev",	 "send",
						  "sendto",   "sendmsg", "more",
						  "dontwait", "two",	 "no_head" };
	static const char *const bodies[BODIES] = { "offset",	  "position",  "beyond",
						    "parts",	  "backwards", "twice",
						    "after_seek", "copy",      "nothing",
						    "no_body" };

	for (int i = 0; i < HEADS; i++)
		if (!strcmp(text, heads[i])) {
			style.head = (enum head)i;
			return true;
		}
	for (int i = 0; i < BODIES; i++)
		if (!strcmp(text, bodies[i])) {
			style.body = (enum body)i;
			return true;
		}
	return false;
}

static bool style_switch(const char *text)
{
	const struct a_switch switches[] = {
		{ "nonblock", &style.nonblock }, { "nodelay", &style.nodelay },
		{ "cork", &style.cork },	 { "restart", &style.restart },
		{ "rest", &style.rest },	 { NULL, NULL },
	};

	return switched(text, switches);
}

static const char *after(const char *text, const char *key)
{
	size_t n = strlen(key);

	return strncmp(text, key, n) ? NULL : text + n;
}

static bool style_value(const char *text)
{
	static const char *const pipes[] = { "ignored", "default", "handled", "blocked" };
	const char *value;

	if ((value = after(text, "what=")))
		style.what = value;
	else if ((value = after(text, "own=")))
		style.own = value;
	else if ((value = after(text, "with=")))
		style.with = value;
	else if ((value = after(text, "sigpipe="))) {
		for (int i = 0; i < 4; i++)
			if (!strcmp(value, pipes[i]))
				style.sigpipe = (enum sigpipe)i;
	} else if (!strcmp(text, "v6"))
		style.family = AF_INET6;
	else
		return sscanf(text, "seed=%u", &style.seed) == 1 ||
		       sscanf(text, "count=%u", &style.count) == 1 ||
		       sscanf(text, "sndbuf=%d", &style.sndbuf) == 1 ||
		       sscanf(text, "number=%d", &style.number) == 1;
	return true;
}

static void board_open(const char *path)
{
	int fd = MUST(open(path, O_RDWR));

	board_path = path;
	board = MUST(mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	MUST(close(fd));
}

int main(int argc, char **argv)
{
	static const struct way *const all[] = { orders, walks,	    elsewheres, waits,
						 fulls,	 positions, numbers,	refusals,
						 gones,	 brokens,   limits,	rests,
						 ends,	 stdios,    handlers };
	struct rlimit rl;

	/* Nothing of a test outlives its driver. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Who waits without a call does not keep the peers from what they do. */
	(void)!nice(5);
	if (argc < 3)
		return 64;
	board_open(argv[1]);
	for (int i = 3; i < argc; i++)
		if (!style_name(argv[i]) && !style_switch(argv[i]) &&
		    !style_value(argv[i])) {
			note("no such style: %s\n", argv[i]);
			return 64;
		}
	MUST(getrlimit(RLIMIT_NOFILE, &rl));
	rl.rlim_cur = FDS;
	MUST(setrlimit(RLIMIT_NOFILE, &rl));
	set_sigpipe();
	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (pick(all[i], argv[2]))
			return 0;
	note("no such command: %s\n", argv[2]);
	return 64;
}
