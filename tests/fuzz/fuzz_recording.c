/* SPDX-License-Identifier: MIT
 *
 * Fuzz target (libFuzzer): any bytes as a recording, reported by everything there is
 * in every format, and compared with itself. None of it may crash, hang, leak or
 * write what is not JSON.
 *
 * A recording is mostly room; what is fuzzed is one without it: the fields of the
 * header, then pieces of PIECE bytes, each the beginning of a block.
 *
 *     make build/fuzz/fuzz_recording && build/fuzz/fuzz_recording CORPUS
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../tools/commands.h"
#include "../../tools/formats.h"

/* A line that says what is wrong with a file is what should come of most inputs. */
int complain(const char *format, ...)
{
	(void)format;
	return EXIT_FAILURE;
}

/* Whatever was in the recording, this must be JSON. */
static void write_json(const struct summary *s,
		       int (*format)(const struct summary *s, FILE *out))
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	json_error_t error;
	json_t *json;

	if (!out)
		abort();
	format(s, out);
	fclose(out);
	json = json_loads(text, 0, &error);
	if (!json) {
		fprintf(stderr, "not JSON: %s at byte %d\n%s\n", error.text, error.position,
			text);
		abort();
	}
	json_decref(json);
	free(text);
}

static void report(const char *path, enum summary_by by)
{
	struct summary *s = calloc(1, sizeof(*s));
	FILE *null = fopen("/dev/null", "w");

	if (!s || !null)
		abort();
	if (!summary_make(s, path, by, 30)) {
		summary_warn(s);
		format_table(s, null);
		if (by == BY_SITE) {
			format_folded(s, null);
			write_json(s, format_perfetto);
			format_diff_table(s, s, null);
			format_diff_json(s, s, null);
		}
		write_json(s, format_json);
		summary_free(s);
	}
	fclose(null);
	free(s);
}

#define PIECE 2048U

static void put(int file, const uint8_t *data, size_t size, size_t at)
{
	if (pwrite(file, data, size, (off_t)at) != (ssize_t)size)
		abort();
}

/* Without a header's magic the bytes are the file. */
static void fill(int file, const uint8_t *data, size_t size)
{
	size_t header = sizeof(struct fa_rec_header), block = 0;

	if (ftruncate(file, 0) != 0)
		abort();
	if (size < header || memcmp(data, FA_REC_MAGIC, 8) != 0) {
		put(file, data, size, 0);
		return;
	}
	put(file, data, header, 0);
	for (size_t at = header; at < size; at += PIECE, block++)
		put(file, data + at, size - at < PIECE ? size - at : PIECE,
		    FA_REC_HEADER + block * FA_REC_BLOCK);
	/* Mostly whole; some end where the input does. */
	if (data[size - 1] & 0xf0U &&
	    ftruncate(file, (off_t)(FA_REC_HEADER + block * FA_REC_BLOCK)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int file = -1;
	static char path[64];

	if (file < 0) {
		file = memfd_create("recording", MFD_CLOEXEC);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	}
	fill(file, data, size);
	report(path, size ? (enum summary_by)(data[size - 1] % BY_N) : BY_SITE);
	return 0;
}
