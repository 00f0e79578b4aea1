/* SPDX-License-Identifier: MIT
 *
 * The processes and threads of a recording.
 */
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "processes.h"
#include "text.h"

#define MAX_PROCESSES (1U << 18)
#define MAX_THREADS (1U << 18)
#define MAX_COMMS (1U << 12) /* more names of threads count as the last one */

uint32_t processes_of(struct processes *p, const struct fa_rec_block *block)
{
	uint32_t index = map_get(&p->by_number, block->process);
	struct process *new;

	if (index != MAP_NONE || p->n >= MAX_PROCESSES)
		return index;
	p->process = grow(p->process, &p->room, p->n, sizeof(*p->process));
	new = &p->process[p->n];
	new->number = block->process;
	new->pid = block->pid;
	new->end = PROCESSES_NEVER;
	new->program = text_clean(block->comm, sizeof(block->comm));
	return map_put(&p->by_number, block->process, (uint32_t)p->n++);
}

static uint32_t comm_index(struct processes *p, const char *comm)
{
	/* Hardly ever more than two. */
	for (size_t i = 0; i < p->comms_n; i++)
		if (!memcmp(p->comm[i], comm, sizeof(p->comm[i])))
			return (uint32_t)i;
	if (p->comms_n >= MAX_COMMS)
		return (uint32_t)p->comms_n - 1;
	p->comm = grow(p->comm, &p->comms_room, p->comms_n, sizeof(*p->comm));
	memcpy(p->comm[p->comms_n], comm, sizeof(*p->comm));
	return (uint32_t)p->comms_n++;
}

uint32_t processes_thread(struct processes *p, const struct fa_rec_block *block)
{
	uint64_t key = (uint64_t)block->process << 32 | block->tid;
	uint32_t process = processes_of(p, block), index = map_get(&p->by_thread, key);

	if (process == MAP_NONE || (index == MAP_NONE && p->threads_n >= MAX_THREADS))
		return MAP_NONE;
	if (index == MAP_NONE) {
		p->thread =
			grow(p->thread, &p->threads_room, p->threads_n, sizeof(*p->thread));
		index = map_put(&p->by_thread, key, (uint32_t)p->threads_n++);
		p->thread[index].process = process;
		p->thread[index].tid = block->tid;
	}
	p->thread[index].comm = comm_index(p, block->comm);
	return index;
}

void processes_take(struct processes *p, uint32_t index, const struct recording *r,
		    const struct fa_rec_process *rec)
{
	struct process *process = &p->process[index];
	uint64_t ns = recording_ns(r, rec->moment.cycles);
	size_t room = rec->h.words * 8U - sizeof(*rec);

	if (rec->h.op == 1) {
		process->end = ns;
		return;
	}
	if (rec->h.op != 0)
		return;
	process->told = true;
	process->begin = ns;
	process->pid = rec->pid;
	process->mode = rec->mode;
	process->parent = rec->h.id;
	if (!room || !rec->path[0])
		return;
	free(process->program);
	process->program = text_clean(rec->path, room);
}

/* Sums only grow: where a process wrote them twice the larger are the later ones. */
static void keep_larger(uint64_t *sum, size_t n, const struct fa_rec_counters *rec)
{
	for (size_t i = 0; i < n && i + 1 < rec->h.words; i++)
		if (rec->n[i] > sum[i])
			sum[i] = rec->n[i];
}

void processes_count(struct processes *p, uint32_t index, const struct fa_rec_counters *rec)
{
	if (rec->h.op == 0)
		keep_larger(p->process[index].counter, COUNTERS_N, rec);
	else if (rec->h.op == 1)
		keep_larger(p->process[index].fallback, FALLBACKS_N, rec);
}

uint32_t processes_parent(const struct processes *p, uint32_t index)
{
	uint32_t parent = p->process[index].parent;

	return parent ? map_get(&p->by_number, parent) : MAP_NONE;
}

uint64_t process_fallbacks(const struct process *p, unsigned int reason)
{
	/* A process that was killed has no sums. */
	return p->fallback[reason] > p->stepped[reason] ? p->fallback[reason]
							: p->stepped[reason];
}

const char *process_mode(const struct process *p)
{
	static const char *const mode[] = { "auto", "observe", "off", "fuse" };

	return p->told && p->mode < sizeof(mode) / sizeof(mode[0]) ? mode[p->mode]
								   : "unknown";
}

void processes_free(struct processes *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->process[i].program);
	free(p->process);
	free(p->thread);
	free(p->comm);
	map_free(&p->by_number);
	map_free(&p->by_thread);
}
