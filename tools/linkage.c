/* SPDX-License-Identifier: MIT
 *
 * What kind of program a command is. Scripts are followed to their interpreter as
 * the kernel does it; rights that exec would grant are judged by its rules, for
 * those make the loader ignore LD_PRELOAD.
 */
#include "linkage.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#define DEPTH 5	 /* scripts of scripts, as many as the kernel follows */
#define LINE 256 /* of the first line, what the kernel reads */

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#elif defined(__aarch64__)
#define MACHINE EM_AARCH64
#endif

const char *linkage_reason(unsigned obstacle)
{
	static const char *const text[LINKAGE_REASONS] = {
		[LINKAGE_FOREIGN] = "built for another kind of processor than the library, "
				    "which its loader ignores therefore",
		[LINKAGE_STATIC] = "linked statically: there is no loader to preload "
				   "anything",
		[LINKAGE_LIBC] = "its C library is not glibc, which the library needs",
		[LINKAGE_GO] = "a Go program makes its system calls itself, where no "
			       "library sees them",
		[LINKAGE_SETID] = "the loader ignores LD_PRELOAD in setuid and setgid "
				  "programs",
		[LINKAGE_CAPABILITIES] = "the loader ignores LD_PRELOAD in programs with "
					 "file capabilities",
	};

	return text[obstacle];
}

/* ---- looking it up ---- */

static int executable(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EACCES;
	return access(path, X_OK) < 0 ? -errno : 0;
}

static int look_up(const char *name, char found[PATH_MAX])
{
	const char *path = getenv("PATH");
	int refused = -ENOENT;

	if (!*name)
		return -ENOENT;
	if (strlen(name) >= PATH_MAX)
		return -ENAMETOOLONG;
	if (strchr(name, '/')) {
		strcpy(found, name);
		return executable(found);
	}
	for (path = path ? path : "/bin:/usr/bin";; path++) {
		size_t n = strcspn(path, ":");
		int e = snprintf(found, PATH_MAX, "%.*s%s%s", (int)n, path, n ? "/" : "./",
				 name);

		e = e < PATH_MAX ? executable(found) : -ENAMETOOLONG;
		if (e == 0)
			return 0;
		if (e == -EACCES)
			refused = e;
		path += n;
		if (!*path)
			return refused;
	}
}

/* ---- rights ---- */

static unsigned rights(const char *path)
{
	struct statvfs fs;
	struct stat st;
	unsigned found = 0;

	if (stat(path, &st) < 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ||
	    (statvfs(path, &fs) == 0 && fs.f_flag & ST_NOSUID))
		return 0;
	if (st.st_mode & S_ISUID && st.st_uid != getuid())
		found |= 1U << LINKAGE_SETID;
	if ((st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) &&
	    st.st_gid != getgid())
		found |= 1U << LINKAGE_SETID;
	/* Root gains nothing by them. */
	if (getuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0)
		found |= 1U << LINKAGE_CAPABILITIES;
	return found;
}

/* ---- the file itself ---- */

static bool go_note(Elf *elf, const GElf_Phdr *ph)
{
	Elf_Data *data =
		elf_getdata_rawchunk(elf, (int64_t)ph->p_offset, ph->p_filesz, ELF_T_NHDR);
	size_t at = 0, name, desc;
	GElf_Nhdr note;

	while (data && (at = gelf_getnote(data, at, &note, &name, &desc)) > 0)
		if (note.n_namesz >= 3 && !memcmp((char *)data->d_buf + name, "Go", 3))
			return true;
	return false;
}

static bool go_section(Elf *elf)
{
	Elf_Scn *section = NULL;
	GElf_Shdr sh;
	size_t names;

	if (elf_getshdrstrndx(elf, &names) < 0)
		return false;
	while ((section = elf_nextscn(elf, section))) {
		const char *name = gelf_getshdr(section, &sh)
					   ? elf_strptr(elf, names, sh.sh_name)
					   : NULL;

		if (name && !strcmp(name, ".go.buildinfo"))
			return true;
	}
	return false;
}

/* glibc's loaders are ld-linux-*.so.N; `interpreter` is not terminated. */
static bool of_glibc(const char *interpreter, size_t size)
{
	const char *slash = memrchr(interpreter, '/', size);
	size_t left = slash ? size - (size_t)(slash + 1 - interpreter) : size;

	return left > 8 && !memcmp(slash ? slash + 1 : interpreter, "ld-linux", 8);
}

static unsigned elf_obstacles(Elf *elf)
{
	bool interpreted = false, go = go_section(elf);
	unsigned found = 0;
	GElf_Ehdr eh;
	GElf_Phdr ph;
	size_t n = 0;

	if (!gelf_getehdr(elf, &eh))
		return 0;
	if (eh.e_machine != MACHINE || eh.e_ident[EI_CLASS] != ELFCLASS64)
		return 1U << LINKAGE_FOREIGN;
	elf_getphdrnum(elf, &n);
	for (size_t i = 0; i < n && gelf_getphdr(elf, (int)i, &ph); i++) {
		Elf_Data *data;

		if (ph.p_type == PT_NOTE)
			go |= go_note(elf, &ph);
		if (ph.p_type != PT_INTERP)
			continue;
		interpreted = true;
		data = elf_getdata_rawchunk(elf, (int64_t)ph.p_offset, ph.p_filesz,
					    ELF_T_BYTE);
		if (data && !of_glibc(data->d_buf, data->d_size))
			found |= 1U << LINKAGE_LIBC;
	}
	if (go)
		return 1U << LINKAGE_GO;
	return interpreted ? found : 1U << LINKAGE_STATIC;
}

/*
 * The interpreter of a script: "#!/path", with env the program that it will look
 * up, the shell where there is no such line.
 */
static void interpreter(char *line, char name[PATH_MAX])
{
	char *save = NULL, *first, *second;

	strcpy(name, "/bin/sh");
	if (strncmp(line, "#!", 2) != 0)
		return;
	line[strcspn(line, "\n")] = '\0';
	first = strtok_r(line + 2, " \t", &save);
	if (!first)
		return;
	strcpy(name, first);
	second = strtok_r(NULL, " \t", &save);
	if (!strcmp(strrchr(first, '/') ? strrchr(first, '/') + 1 : first, "env") &&
	    second && *second != '-' && !strchr(second, '='))
		strcpy(name, second);
}

/* 1: a script, `next` is what to look at; 0: a program. */
static int look_inside(struct linkage *l, char next[PATH_MAX])
{
	char line[LINE + 1] = "";
	int fd = open(l->program, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n;
	Elf *elf;

	if (fd < 0)
		return 0; /* it may be run all the same */
	l->readable = true;
	n = pread(fd, line, LINE, 0);
	if (n < SELFMAG || memcmp(line, ELFMAG, SELFMAG) != 0) {
		close(fd);
		interpreter(line, next);
		return 1;
	}
	elf = elf_version(EV_CURRENT) == EV_NONE ? NULL : elf_begin(fd, ELF_C_READ, NULL);
	if (elf)
		l->obstacles |= elf_obstacles(elf);
	elf_end(elf);
	close(fd);
	return 0;
}

int linkage_of(const char *command, struct linkage *l)
{
	char next[PATH_MAX];
	int e;

	memset(l, 0, sizeof(*l));
	e = look_up(command, l->path);
	if (e < 0)
		return e;
	strcpy(l->program, l->path);
	for (int i = 0; look_inside(l, next); i++) {
		if (i == DEPTH)
			return -ELOOP;
		l->script = true;
		e = look_up(next, l->program);
		if (e < 0) {
			strcpy(l->program, next);
			return e;
		}
	}
	l->obstacles |= rights(l->program);
	return 0;
}
