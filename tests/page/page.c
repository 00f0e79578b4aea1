/* SPDX-License-Identifier: MIT
 *
 * JSON from standard input as a page on standard output: the page without a recording.
 */
#include <stdlib.h>

#include "../../tools/html_page.h"

int main(void)
{
	char *json = NULL;
	size_t n = 0, room = 0, got = 1;

	while (got) {
		if (n == room) {
			room = room ? 2 * room : 65536;
			json = realloc(json, room);
			if (!json)
				return EXIT_FAILURE;
		}
		got = fread(json + n, 1, room - n, stdin);
		n += got;
	}
	return html_page(json, n, stdout) || fflush(stdout) ? EXIT_FAILURE : 0;
}
