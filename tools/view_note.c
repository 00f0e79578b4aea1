/* SPDX-License-Identifier: MIT
 *
 * Which of the files that a process has mapped is the library? The one with its note,
 * whatever its name. It is looked for in memory, because the file of that name may be
 * another one by now, or be nowhere that we can reach.
 */
#include "view_note.h"

#include <elf.h>
#include <errno.h>
#include <gelf.h>
#include <string.h>

#include "../include/fuse_aio_view.h"
#include "top_proc.h"

#define HEAD 4096U /* of a file: linkers put notes there */
#define HEADS 64U

/* The offset of the note's description in this first page of an ELF file; 0: none. */
static size_t find_note(Elf *elf)
{
	size_t phdrs = 0;

	if (elf_getphdrnum(elf, &phdrs) != 0)
		return 0;
	for (size_t i = 0; i < phdrs; i++) {
		GElf_Phdr mem, *phdr = gelf_getphdr(elf, (int)i, &mem);
		Elf_Data *data;
		GElf_Nhdr note;
		size_t at = 0, name, desc;

		if (!phdr || phdr->p_type != PT_NOTE || phdr->p_offset >= HEAD)
			continue;
		data = elf_getdata_rawchunk(elf, (int64_t)phdr->p_offset, phdr->p_filesz,
					    phdr->p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR);
		while (data && (at = gelf_getnote(data, at, &note, &name, &desc)) > 0)
			if (note.n_namesz == sizeof(FA_VIEW_NAME) &&
			    note.n_descsz == sizeof(uint64_t) &&
			    !memcmp((char *)data->d_buf + name, FA_VIEW_NAME,
				    sizeof(FA_VIEW_NAME)))
				return phdr->p_offset + desc;
	}
	return 0;
}

static size_t note_in(char *head)
{
	Elf64_Ehdr header;
	size_t at;
	Elf *elf;

	/* What libelf finds is rarely worth its while. */
	if (memcmp(head, ELFMAG, SELFMAG) != 0 || head[EI_CLASS] != ELFCLASS64 ||
	    !memmem(head, HEAD, FA_VIEW_NAME, sizeof(FA_VIEW_NAME)))
		return 0;
	/* Only this page is here, and no table of sections. */
	memcpy(&header, head, sizeof(header));
	header.e_shoff = header.e_shnum = header.e_shstrndx = 0;
	memcpy(head, &header, sizeof(header));
	elf_version(EV_CURRENT);
	elf = elf_memory(head, HEAD);
	at = elf ? find_note(elf) : 0;
	elf_end(elf);
	return at;
}

/*
 * Looks through some files: 1 found, 0 not there. A page that cannot be read (its
 * file was cut short) is passed over.
 */
static int look(pid_t pid, const struct proc_module *module, size_t n, uint64_t *found)
{
	static char head[HEADS][HEAD];
	struct iovec here[HEADS], there[HEADS];
	size_t at, from = 0;

	for (size_t i = 0; i < n; i++) {
		here[i] = (struct iovec){ head[i], HEAD };
		there[i] = memory_range(module[i].start, HEAD);
	}
	while (from < n) {
		ssize_t r = process_vm_readv(pid, here + from, n - from, there + from,
					     n - from, 0);
		size_t whole = r > 0 ? (size_t)r / HEAD : 0;

		if (r < 0 && errno != EFAULT)
			return -errno;
		for (size_t i = from; i < from + whole; i++) {
			at = note_in(head[i]);
			if (at) {
				*found = module[i].start + at;
				return 1;
			}
		}
		from += whole + 1;
	}
	return 0;
}

enum view_state view_find_note(pid_t pid, int dir, uint64_t *note)
{
	struct proc_module module[HEADS];
	struct proc_maps maps;
	bool ours = false, more;
	size_t n = 0;
	int r = proc_maps_open(&maps, dir);

	if (r < 0)
		return r == -EACCES || r == -EPERM ? VIEW_HIDDEN : VIEW_GONE;
	do {
		more = proc_maps_next(&maps, &module[n]);
		if (more)
			ours |= module[n++].ours;
		if (n == HEADS || !more) {
			/* Of what may not be read the names of its files are known. */
			if (r >= 0)
				r = look(pid, module, n, note);
			n = 0;
		}
	} while (more && r != 1);
	proc_maps_close(&maps);
	if (r == 1)
		return VIEW_READ;
	if (r == -ESRCH)
		return VIEW_GONE;
	return r < 0 && ours ? VIEW_DENIED : VIEW_NO_LIBRARY;
}
