/* SPDX-License-Identifier: MIT
 *
 * Names of code addresses. The files are those that are there now: where one was
 * replaced after the recording, its names are those of the new one.
 */
#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "map.h"
#include "memory.h"
#include "symbols.h"
#include "text.h"

struct code {
	char *path, *name;   /* name: the last part, clean */
	Dwfl_Module *module; /* NULL: cannot be read */
	Dwarf_Addr bias;
};

struct symbols {
	Dwfl *dwfl;
	struct code *code;
	size_t n, room;
};

static const Dwfl_Callbacks callbacks = {
	.find_elf = dwfl_build_id_find_elf,
	.find_debuginfo = dwfl_standard_find_debuginfo,
	.section_address = dwfl_offline_section_address,
};

struct symbols *symbols_new(void)
{
	struct symbols *s = need(1, sizeof(*s));

	/* libdw would ask these servers for what is not here, and wait for them. */
	unsetenv("DEBUGINFOD_URLS");
	s->dwfl = dwfl_begin(&callbacks);
	if (s->dwfl)
		dwfl_report_end(s->dwfl, NULL, NULL);
	return s;
}

/* A path in a recording may be anything, a device that never answers for one. */
static int open_regular(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))) {
		close(fd);
		return -1;
	}
	return fd;
}

static Dwfl_Module *load(struct symbols *s, const char *path)
{
	Dwfl_Module *module;
	int fd = s->dwfl && path[0] == '/' ? open_regular(path) : -1;

	if (fd < 0)
		return NULL;
	dwfl_report_begin_add(s->dwfl);
	module = dwfl_report_offline(s->dwfl, path, path, fd);
	dwfl_report_end(s->dwfl, NULL, NULL);
	/* The descriptor is libdw's only if it could use it. */
	if (!module)
		close(fd);
	return module;
}

static struct code *code_of(struct symbols *s, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct code *code;

	/* A program has dozens of these, not thousands. */
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->code[i].path, path))
			return &s->code[i];
	s->code = grow(s->code, &s->room, s->n, sizeof(*s->code));
	code = &s->code[s->n++];
	code->path = text_format("%s", path);
	code->name = text_clean(slash ? slash + 1 : path, SIZE_MAX / 8);
	code->module = load(s, path);
	if (code->module && !dwfl_module_getelf(code->module, &code->bias))
		code->module = NULL;
	return code;
}

/* " source.c:34", or nothing; to be freed. */
static char *source(const struct code *code, Dwarf_Addr at)
{
	Dwfl_Line *line = dwfl_module_getsrc(code->module, at);
	const char *file, *slash;
	char *clean, *text;
	int number = 0;

	file = line ? dwfl_lineinfo(line, NULL, &number, NULL, NULL, NULL) : NULL;
	if (!file)
		return text_format("%s", "");
	slash = strrchr(file, '/');
	clean = text_clean(slash ? slash + 1 : file, SIZE_MAX / 8);
	text = text_format(" %s:%d", clean, number);
	free(clean);
	return text;
}

void symbols_find(struct symbols *s, const char *path, uint64_t address, char **name,
		  char **detail)
{
	/* The call is before the address to which it returns. */
	Dwarf_Addr call = address ? address - 1 : 0;
	const char *function = NULL;
	struct code *code;
	GElf_Off offset = 0;
	GElf_Sym symbol;
	char *line;

	if (!path || !*path) {
		*name = text_format("0x%llx", (unsigned long long)address);
		*detail = text_format("%s", *name);
		return;
	}
	code = code_of(s, path);
	if (code->module)
		function = dwfl_module_addrinfo(code->module, call + code->bias, &offset,
						&symbol, NULL, NULL, NULL);
	if (!function) {
		*name = text_format("%s+0x%llx", code->name, (unsigned long long)address);
		*detail = text_format("%s", *name);
		return;
	}
	*name = text_clean(function, SIZE_MAX / 8);
	line = source(code, call + code->bias);
	*detail = text_format("%s+0x%llx%s (%s)", *name,
			      (unsigned long long)(offset + address - call), line,
			      code->name);
	free(line);
}

void symbols_free(struct symbols *s)
{
	if (!s)
		return;
	if (s->dwfl)
		dwfl_end(s->dwfl);
	for (size_t i = 0; i < s->n; i++) {
		free(s->code[i].path);
		free(s->code[i].name);
	}
	free(s->code);
	free(s);
}
