/* SPDX-License-Identifier: MIT
 *
 * What /proc says of a process. All of it is asked through one descriptor of its
 * directory, which stays that process' and answers nothing once it has ended.
 */
#ifndef TOP_PROC_H
#define TOP_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* The directory's descriptor, or a negative errno: -ENOENT where there is none. */
int proc_open(pid_t pid);

struct proc_who {
	char name[16]; /* as the kernel has it */
	char state;    /* Z: it has ended */
	uint64_t start;
};

/* 0, or a negative errno. */
int proc_who(int dir, struct proc_who *who);

/* An ELF file, perhaps, of which some is mapped to be run. */
struct proc_module {
	uint64_t start; /* where its first page is */
	bool ours;	/* by its name */
};

struct proc_maps {
	FILE *file;
	char *line;
	size_t size;
	struct proc_module at;
	unsigned dev_major, dev_minor;
	uint64_t ino; /* 0: nothing is remembered */
};

/* 0, or a negative errno; then proc_maps_close() is not needed. */
int proc_maps_open(struct proc_maps *maps, int dir);
bool proc_maps_next(struct proc_maps *maps, struct proc_module *module);
void proc_maps_close(struct proc_maps *maps);

/*
 * Where the process sees the file system `dev` mounted. False: nowhere, or the name
 * does not fit.
 */
bool proc_mount(int dir, uint64_t dev, char *to, size_t size);

#endif
