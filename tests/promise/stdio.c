/* SPDX-License-Identifier: MIT
 *
 * stdio on a connection that files are sent to by number: its calls to the kernel are
 * made inside libc.
 */
#include <err.h>
#include <syslog.h>

#include "promise.h"

static int fd;

static void set_mode(FILE *f)
{
	if (what_is("unbuffered"))
		setvbuf(f, NULL, _IONBF, 0);
	else if (what_is("lines"))
		setvbuf(f, NULL, _IOLBF, BUFSIZ);
	else if (what_is("small"))
		setvbuf(f, NULL, _IOFBF, 16);
}

static void body_of(int to, const char *name)
{
	int file = MUST(open(name, O_RDONLY));

	body_by(style.body, to, file);
	told("close", close(file));
}

/* A stream over the connection, flushed before each file as it must be. */
static void over(FILE *f, int to)
{
	static const char text[] = "text of some length, more than 16\n";

	set_mode(f);
	for (unsigned i = 0; i < style.count; i++) {
		int file = MUST(open(file_name(i), O_RDONLY));

		fprintf(f, "answer %u\n", i);
		fflush(f);
		body_by(style.body, to, file);
		fputs("trailer\n", f);
		fputc('c', f);
		putc('d', f);
		fwrite(text, 1, sizeof(text) - 1, f);
		if (i % 2)
			close(file);
		fflush(f);
		head_by(style.head, to, "by number\n");
		fprintf(f, "%s%d\n", text, 7);
		fflush(f);
		if (i % 2 == 0)
			close(file);
		body_of(to, "f02");
		/* Not flushed by the program: with buffers it comes later. */
		fputs("maybe late\n", f);
		head_by(style.head, to, "by number again\n");
		body_of(to, "f01");
	}
	fflush(f);
}

static void stream(void)
{
	FILE *f;

	listen_on();
	fd = take();
	f = fdopen(fd, "w");
	over(f, fd);
	body_of(fd, "f03");
	told("fclose", fclose(f));
}

/* Another number of the same connection, read and written. */
static void double_stream(void)
{
	FILE *f;

	listen_on();
	fd = take();
	f = fdopen(dup(fd), "r+");
	over(f, fd);
	body_of(fd, "f03");
	told("fclose", fclose(f));
	body_of(fd, "f04");
	told("close", close(fd));
}

/* The connection is standard output, as for what inetd or a parent has started. */
static void as_output(void)
{
	listen_on();
	fd = take();
	MUST(dup2(fd, STDOUT_FILENO));
	close(fd);
	over(stdout, STDOUT_FILENO);
	for (unsigned i = 0; i < style.count; i++) {
		body_of(STDOUT_FILENO, "f02");
		printf("printf %u\n", i);
		puts("puts");
		putchar('x');
		fflush(stdout);
		body_of(STDOUT_FILENO, "f01");
		dprintf(STDOUT_FILENO, "dprintf %u\n", i);
		body_of(STDOUT_FILENO, "f01");
		fputs("to all\n", stdout);
		fflush(NULL);
	}
	body_of(STDOUT_FILENO, "f03");
	/* Comes at the end of the program. */
	printf("left over\n");
}

/* Written by number only, as busybox does it. */
static void output_by_number(void)
{
	listen_on();
	fd = take();
	MUST(dup2(fd, STDOUT_FILENO));
	close(fd);
	for (unsigned i = 0; i < style.count; i++)
		answer(STDOUT_FILENO, file_name(i));
}

/* Messages of libc's own, when the connection is standard error. */
static void as_error(void)
{
	listen_on();
	fd = take();
	MUST(dup2(fd, STDERR_FILENO));
	close(fd);
	fd = STDERR_FILENO;
	for (unsigned i = 0; i < style.count; i++) {
		answer(fd, file_name(i));
		errno = ENOENT;
		perror("perror");
		answer(fd, "f01");
		fprintf(stderr, "fprintf %u\n", i);
		answer(fd, "f01");
		psignal(SIGHUP, "psignal");
		answer(fd, "f01");
		warnx("warnx");
		answer(fd, "f01");
		openlog("log", LOG_PERROR, LOG_DAEMON);
		syslog(LOG_DEBUG, "syslog");
		closelog();
		answer(fd, "f01");
	}
	answer(fd, "f02");
	errx(7, "errx");
}

/* Requests are read with stdio, in turn with the answers. */
static void dialogue(void)
{
	char line[64];
	FILE *in;

	listen_on();
	fd = take();
	if (what_is("stdin")) {
		MUST(dup2(fd, STDIN_FILENO));
		MUST(dup2(fd, STDOUT_FILENO));
		close(fd);
		fd = STDOUT_FILENO;
		in = stdin;
	} else {
		in = fdopen(dup(fd), "r");
	}
	while (fgets(line, sizeof(line), in)) {
		line[strcspn(line, "\n")] = '\0';
		note("asked for %s\n", line);
		if (what_is("stdin")) {
			printf("here comes %s\n", line);
			fflush(stdout);
		}
		answer(fd, line);
	}
	note("end\n");
}

const struct way stdios[] = {
	{ "stream", stream },
	{ "double_stream", double_stream },
	{ "as_output", as_output },
	{ "output_by_number", output_by_number },
	{ "as_error", as_error },
	{ "dialogue", dialogue },
	{ NULL, NULL },
};
