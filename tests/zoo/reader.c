/* SPDX-License-Identifier: MIT
 *
 * Reads its files and says what is in them: the plain program for runs where the
 * environment is what is unusual. Built statically as well.
 */
#include "zoo.h"

int main(int argc, char **argv)
{
	int errors = 0;

	if (argc > 1 && !strcmp(argv[1], "count")) {
		/* Errors may come earlier or later than without read-ahead; count them. */
		for (unsigned i = 0; i < 64; i++) {
			int fd = open_here(file_name(i), O_RDONLY);

			if (fd < 0 || sum_of(fd) == (uint64_t)-1)
				errors++;
			if (fd >= 0)
				close_here(fd);
		}
		say("%s\n", errors <= 1 ? "one error at most" : "too many errors");
		return 0;
	}
	for (unsigned i = 0; i < ZOO_WARM; i++)
		say("%s %lx\n", file_name(i), (unsigned long)visit(file_name(i)));
	say("%s\n", error_name(open_here("secret", O_RDONLY)));
	say_open("end");
	return 0;
}
