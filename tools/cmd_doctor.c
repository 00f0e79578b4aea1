/* SPDX-License-Identifier: MIT
 *
 * `fuse-aio doctor`: can the library help here? Its checks try what they can, in
 * children that may fail; here is what they share, and what is printed.
 */
#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "doctor.h"
#include "launch.h"

#define WIDTH 79  /* columns of the text */
#define INDENT 19 /* verdict and what was looked at */

enum { KEY_JSON = 0x1000, KEY_PATH };

static const struct argp_option flags[] = {
	{ "json", KEY_JSON, NULL, 0, "Print one JSON object", 0 },
	{ "path", KEY_PATH, "DIRECTORY", 0,
	  "Measure files there (may be repeated; the current directory and the mounts "
	  "below it)",
	  0 },
	{ 0 },
};

static const char help_text[] =
	"Find out whether the library can help here, and with PROGRAM.\v"
	"Exit status: 0 nothing stands in the way, 1 it helps less than it could, 2 it "
	"cannot help here. Files are measured as they are now: up to 32 that are there, "
	"by statx, open and a read of their first page.";

static const char *const verdict_name[] = { "ok", "warn", "bad" };

/* ---- trials ---- */

void *doctor_shared(size_t size)
{
	void *p =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

int doctor_try(void (*trial)(void *shared), void *shared, unsigned ms)
{
	const struct timespec nap = { 0, 1000000 };
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		trial(shared);
		_exit(0);
	}
	/* No descriptor is needed to wait so: there may be none. */
	for (; ms; ms--) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return status;
		nanosleep(&nap, NULL);
	}
	/* It may hang in the kernel, where not even this ends it soon. */
	kill(pid, SIGKILL);
	waitpid(pid, &status, WNOHANG);
	return -ETIMEDOUT;
}

/* ---- output ---- */

static bool coloured(void)
{
	const char *none = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && !(none && *none);
}

/* Words, broken at WIDTH; the first line begins at INDENT already. */
static void print_wrapped(const char *text)
{
	size_t column = INDENT;

	while (*text) {
		size_t n = strcspn(text, " ");

		if (column > INDENT && column + 1 + n > WIDTH) {
			printf("\n%*s", INDENT, "");
			column = INDENT;
		} else if (column > INDENT) {
			putchar(' ');
			column++;
		}
		fwrite(text, 1, n, stdout);
		column += n;
		text += n;
		text += strspn(text, " ");
	}
	putchar('\n');
}

static void print_line(enum verdict verdict, const char *what, const char *found,
		       const char *advice)
{
	static const char *const colour[] = { "\033[32m", "\033[33m", "\033[31m" };
	bool c = coloured();

	printf("%s%-4s%s  %-12s ", c ? colour[verdict] : "", verdict_name[verdict],
	       c ? "\033[0m" : "", what);
	print_wrapped(found);
	if (!advice)
		return;
	printf("%*s", INDENT, "-> ");
	print_wrapped(advice);
}

json_t *doctor_text(const char *text)
{
	json_t *string = json_string(text);
	char *copy = string ? NULL : strdup(text);

	if (!copy)
		return string;
	for (char *p = copy; *p; p++)
		if (*p & 0x80)
			*p = '?';
	string = json_string(copy);
	free(copy);
	return string;
}

json_t *doctor_say(struct doctor *d, enum verdict verdict, const char *what,
		   const char *advice, const char *found, ...)
{
	char text[4096];
	json_t *line;
	va_list args;

	va_start(args, found);
	vsnprintf(text, sizeof(text), found, args);
	va_end(args);
	if (verdict > d->worst)
		d->worst = verdict;
	line = json_pack("{ss, ss, so, ss*}", "what", what, "verdict",
			 verdict_name[verdict], "found", doctor_text(text), "advice",
			 advice);
	json_array_append_new(d->lines, line);
	if (!d->json)
		print_line(verdict, what, text, advice);
	return line;
}

static void print_json(const struct doctor *d)
{
	json_t *all = json_pack("{ss, sO}", "verdict", verdict_name[d->worst], "checks",
				d->lines);

	json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(all);
}

/* ---- the command ---- */

static error_t parse(int key, char *arg, struct argp_state *state)
{
	static const char *paths[16];
	struct doctor *d = state->input;

	switch (key) {
	case KEY_JSON:
		d->json = true;
		return 0;
	case KEY_PATH:
		if (d->n_paths == sizeof(paths) / sizeof(paths[0]))
			argp_error(state, "too many --path");
		paths[d->n_paths++] = arg;
		d->paths = paths;
		return 0;
	case ARGP_KEY_ARG:
		d->command = arg;
		state->next = state->argc;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int cmd_doctor(int argc, char **argv)
{
	static const char *const words[] = {
		"Nothing stands in the way of the library.",
		"The library can help, less than it could.",
		"The library cannot help here.",
	};
	const struct argp argp = { flags, parse, "[[--] PROGRAM]", help_text, NULL,
				   NULL,  NULL };
	struct doctor d = { .worst = OK };

	launch_parse(&argp, argc, argv, &d);
	d.lines = json_array();
	check_process(&d);
	check_ring(&d);
	check_library(&d);
	check_files(&d);
	if (d.command)
		check_program(&d);
	if (d.json)
		print_json(&d);
	else
		printf("%s\n", words[d.worst]);
	json_decref(d.lines);
	return (int)d.worst;
}
