/* SPDX-License-Identifier: MIT
 *
 * `fuse-aio record`: a program whose file calls are recorded. The library writes the
 * recording; here its file is made, the program run, and the file finished.
 */
#include <argp.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "commands.h"
#include "launch.h"
#include "procfs.h"
#include "record_file.h"
#include "supervise.h"

enum { KEY_MODE = 0x1000, KEY_DURATION, KEY_SIZE, KEY_PID_ONLY, KEY_STACKS };

static const struct argp_option flags[] = {
	{ "output", 'o', "FILE", 0, "The recording (fuse-aio.rec)", 0 },
	{ "mode", KEY_MODE, "observe|auto", 0,
	  "observe changes nothing; auto records what the library gains (observe)", 0 },
	{ "duration", KEY_DURATION, "SECONDS", 0,
	  "Then end the program: SIGTERM, and SIGKILL 5 s later", 0 },
	{ "size", KEY_SIZE, "BYTES", 0, "At most so much: 64M, 2G (256M)", 0 },
	{ "pid-only", KEY_PID_ONLY, NULL, 0, "The program itself, not its children", 0 },
	{ "stacks", KEY_STACKS, NULL, 0, "Tell call sites apart by the stack", 0 },
	{ "pid", 'p', "PID", 0, "Says why a running process cannot be recorded", 0 },
	{ 0 },
};

static const char help_text[] =
	"Run a program and record its file calls.\v"
	"'fuse-aio report FILE' shows what was recorded. Processes that the program "
	"starts are recorded too, and waited for. The exit status is the program's.";

struct record {
	struct launch launch;
	const char *output;
	uint64_t size;
	uint32_t flags;
	double seconds;
	int at; /* of the program in argv */
};

/* Bytes with K, M or G behind; 0: not such a number, or out of range. */
static uint64_t bytes(const char *text)
{
	static const char units[] = "KMG";
	const uint64_t least = (uint64_t)FA_REC_MIN_BLOCKS * FA_REC_BLOCK,
		       most = (uint64_t)FA_REC_MAX_BLOCKS * FA_REC_BLOCK;
	char *end;
	double n = strtod(text, &end);
	const char *unit = *end ? strchr(units, *end) : NULL;

	if (end == text || (*end && (!unit || end[1])))
		return 0;
	n *= unit ? (double)(1ULL << 10 * (unit - units + 1)) : 1;
	return n >= (double)least && n <= (double)most ? (uint64_t)n : 0;
}

static void no_pid(const char *pid)
{
	complain("process %s cannot be recorded: a library can be preloaded only when a "
		 "program starts, not into a running process; restart it under 'fuse-aio "
		 "record -- PROGRAM' (of a service: put that in front of its ExecStart=)",
		 pid);
	exit(LAUNCH_FAILED);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct record *r = state->input;
	char *end;

	switch (key) {
	case 'o':
		r->output = arg;
		return 0;
	case KEY_MODE:
		if (strcmp(arg, "observe") != 0 && strcmp(arg, "auto") != 0 &&
		    strcmp(arg, "fuse") != 0)
			argp_error(state, "--mode=%s: observe, auto or fuse", arg);
		r->launch.value[LAUNCH_mode] = arg;
		return 0;
	case KEY_DURATION:
		r->seconds = strtod(arg, &end);
		if (end == arg || *end || !(r->seconds > 0 && r->seconds < 1e9))
			argp_error(state, "--duration=%s: not a number of seconds", arg);
		return 0;
	case KEY_SIZE:
		r->size = bytes(arg);
		if (!r->size)
			argp_error(state, "--size=%s: not a size from 1M to 64G", arg);
		return 0;
	case KEY_PID_ONLY:
		r->flags |= FA_REC_PID_ONLY;
		return 0;
	case KEY_STACKS:
		r->flags |= FA_REC_STACKS;
		r->launch.value[LAUNCH_stacks] = "1";
		return 0;
	case 'p':
		no_pid(arg);
		return 0;
	case ARGP_KEY_ARG:
		r->at = state->next - 1;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "no program to record");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Why no process wrote anything. */
static void tell_why_nothing(const struct linkage *l)
{
	const char *only = getenv("FUSE_AIO_ONLY");

	for (unsigned i = 0; i < LINKAGE_REASONS; i++) {
		if (!(l->obstacles & 1U << i))
			continue;
		complain("nothing was recorded: %s: %s", l->program, linkage_reason(i));
		return;
	}
	if (procfs_status("Seccomp", 0) > 0 && !getenv("FUSE_AIO_RING"))
		complain("nothing was recorded: a seccomp filter is in place, and behind "
			 "one the library does nothing without FUSE_AIO_RING=1");
	else if (only && *only)
		complain("nothing was recorded: FUSE_AIO_ONLY=%s names other programs",
			 only);
	else
		complain("nothing was recorded: the library did not start in %s; 'fuse-aio "
			 "doctor -- %s' may tell why",
			 l->program, l->program);
}

static void print_size(char *text, size_t room, uint64_t n)
{
	if (n < 1U << 20)
		snprintf(text, room, "%" PRIu64 " KiB", n >> 10);
	else
		snprintf(text, room, "%.1f MiB", (double)n / 1048576);
}

/* The last word: what there is now, and how much it is. */
static void tell(const struct record_file *f, const struct outcome *outcome)
{
	const struct fa_rec_header *h = f->header;
	char size[32];

	print_size(size, sizeof(size), record_used(f));
	complain("%s: %s, %" PRIu32 " process%s, %" PRIu64 " records dropped%s%s", f->path,
		 size, h->next_process, h->next_process == 1 ? "" : "es", h->dropped,
		 h->dropped ? " (give a larger --size)" : "",
		 outcome->left
			 ? "; processes go on and are recorded, so the file keeps its "
			   "full size"
			 : "");
}

int cmd_record(int argc, char **argv)
{
	const struct argp argp = { flags,     parse, "[--] PROGRAM [ARGUMENT...]",
				   help_text, NULL,  NULL,
				   NULL };
	struct record r = { .output = "fuse-aio.rec", .size = 256U << 20 };
	struct record_file file;
	struct linkage linkage;
	struct outcome outcome;
	bool nothing;
	int status;

	r.launch.value[LAUNCH_mode] = "observe";
	launch_parse(&argp, argc, argv, &r);
	argv += r.at;
	status = launch_look(argv[0], false, &linkage);
	if (status)
		return status;
	if (launch_environment(&r.launch) < 0 ||
	    record_create(&file, r.output, r.size, r.flags, argv) < 0)
		return LAUNCH_FAILED;
	setenv("FUSE_AIO_RECORD", file.path, 1);
	outcome = supervise(argv, r.seconds);
	if (!outcome.started) {
		record_remove(&file);
		return outcome.status;
	}
	tell(&file, &outcome);
	nothing = !file.header->next_process;
	if (nothing && !outcome.left)
		tell_why_nothing(&linkage);
	if (!outcome.left && record_finish(&file) < 0 && !outcome.status)
		return LAUNCH_FAILED;
	return outcome.status;
}
