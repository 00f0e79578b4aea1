/* SPDX-License-Identifier: MIT
 *
 * A program that has the library's note, made by hand, and a table behind it that is
 * right but for one thing:
 *
 *   liar KIND [NAME]
 *
 * Prints "ready" and waits to be ended.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../include/fuse_aio_view.h"

enum {
#define COUNTER(id, help) N_##id,
#include "../../include/fuse_aio_counters.def"
#undef COUNTER
	COUNTERS
};

enum {
#define FALLBACK(id, help) F_##id,
#include "../../include/fuse_aio_counters.def"
#undef FALLBACK
	FALLBACKS
};

struct thread {
	struct thread *next;
	uint64_t looked, counter[COUNTERS], fallback[FALLBACKS];
	int tid;
};

struct process {
	struct thread *first;
};

struct regime {
	uint64_t dev;
	struct {
		uint32_t wait_ns, score;
	} op[3];
};

static struct thread threads[3] = { { .next = &threads[1] }, { .next = &threads[2] } };
static struct process process = { threads };
static struct process *process_pointer = &process;
static struct regime regimes[2] = { { 5, { { 2000000, 16 } } }, { 0, { { 3, 16 } } } };
static struct regime *hints = regimes;
static char program[64] = "liar";
static uint32_t mode;
static char off;

__attribute__((used)) struct fa_view table;

__asm__(".pushsection .note.fuse_aio, \"a\", %note\n"
	"	.balign 4\n"
	"	.4byte 9, 8, 1\n"
	"	.asciz \"fuse_aio\"\n"
	"	.balign 4\n"
	"1:	.8byte table - 1b\n"
	"	.popsection\n");

#define ADDRESS(of) ((uint64_t)(uintptr_t)(of))

static void tell_the_truth(void)
{
	table = (struct fa_view){
		.version = FA_VIEW_VERSION,
		.size = sizeof(table),
		.process = ADDRESS(&process_pointer),
		.hints = ADDRESS(&hints),
		.program = ADDRESS(program),
		.mode = ADDRESS(&mode),
		.off = ADDRESS(&off),
		.threads = offsetof(struct process, first),
		.next = offsetof(struct thread, next),
		.tid = offsetof(struct thread, tid),
		.counters = offsetof(struct thread, counter),
		.looked = offsetof(struct thread, looked),
		.fallbacks = offsetof(struct thread, fallback),
		.counters_n = COUNTERS,
		.fallbacks_n = FALLBACKS,
		.regimes_n = 2,
		.regime_size = sizeof(struct regime),
		.dev = offsetof(struct regime, dev),
		.op = offsetof(struct regime, op),
		.op_n = 3,
		.op_size = sizeof(regimes[0].op[0]),
		.wait_ns = 0,
		.score = 4,
		.score_on = 8,
	};
	for (int i = 0; i < 3; i++) {
		threads[i].counter[N_calls] = 10;
		threads[i].looked = 4;
		threads[i].fallback[F_stale] = 1;
	}
}

/* Memory whose first touch waits for us, who do nothing. NULL: not allowed here. */
static void *never_there(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	long fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	void *p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0);

	range.range.start = ADDRESS(p);
	range.range.len = 65536;
	if (fd < 0 || ioctl((int)fd, UFFDIO_API, &api) < 0 ||
	    ioctl((int)fd, UFFDIO_REGISTER, &range) < 0)
		return NULL;
	return p;
}

extern char __ehdr_start[];

/* The note stays where it is; all around it is noise, other noise for each seed. */
static int garble(unsigned seed)
{
	char *page = __ehdr_start;

	if (mprotect(page, 4096, PROT_READ | PROT_WRITE) != 0)
		return 0;
	srand(seed);
	for (int i = 0; i < 12; i++) {
		/* The header of the file behind its magic, headers of segments, notes. */
		int at = 16 + rand() % (i % 2 ? 48 : 1000);

		page[at] = (char)(rand() % 3 ? rand() : rand() % 2 ? 0xff : 0);
	}
	return 1;
}

static void *restless(void *arg)
{
	volatile uint32_t *tid = &table.tid;

	(void)arg;
	while (tid)
		++*tid;
	return NULL;
}

static int lie(const char *kind)
{
	pthread_t thread;

	if (!strcmp(kind, "cyclic"))
		threads[2].next = threads;
	else if (!strcmp(kind, "huge"))
		threads[1].counter[N_hits] = UINT64_MAX - 2;
	else if (!strcmp(kind, "sum"))
		threads[0].fallback[F_stale] = threads[1].fallback[F_stale] = INT64_MAX - 1;
	else if (!strcmp(kind, "nowhere"))
		process_pointer = (struct process *)16;
	else if (!strcmp(kind, "wraps"))
		process_pointer = (struct process *)UINTPTR_MAX;
	else if (!strcmp(kind, "thread"))
		threads[2].next = (struct thread *)16;
	else if (!strcmp(kind, "hints"))
		hints = (struct regime *)16;
	else if (!strcmp(kind, "mode"))
		mode = 77;
	else if (!strcmp(kind, "version"))
		table.version = 9;
	else if (!strcmp(kind, "counters"))
		table.counters_n = UINT32_MAX;
	else if (!strcmp(kind, "regimes"))
		table.regimes_n = UINT32_MAX;
	else if (!strcmp(kind, "regime_size"))
		table.regime_size = UINT32_MAX;
	else if (!strcmp(kind, "op"))
		table.op_size = UINT32_MAX;
	else if (!strcmp(kind, "score"))
		table.score = UINT32_MAX;
	else if (!strcmp(kind, "dev"))
		table.dev = sizeof(struct regime) - 4;
	else if (!strcmp(kind, "silent"))
		return (process_pointer = never_there()) != NULL;
	else if (!strcmp(kind, "restless"))
		pthread_create(&thread, NULL, restless, NULL);
	else if (!strncmp(kind, "garble", 6))
		return garble((unsigned)atoi(kind + 6));
	else if (strcmp(kind, "truth") != 0)
		return 0;
	return 1;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	tell_the_truth();
	if (argc > 2)
		memcpy(program, argv[2], strnlen(argv[2], sizeof(program)));
	puts(lie(argv[1]) ? "ready" : "cannot");
	fflush(stdout);
	for (;;)
		pause();
}
