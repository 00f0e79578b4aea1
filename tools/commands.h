/* SPDX-License-Identifier: MIT
 *
 * The commands of fuse-aio. Each gets its own arguments, argv[0] is "fuse-aio NAME",
 * and returns the exit status.
 */
#ifndef COMMANDS_H
#define COMMANDS_H

int cmd_run(int argc, char **argv);
int cmd_record(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_diff(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_options(int argc, char **argv);
int cmd_counters(int argc, char **argv);

/* Keeps argp from closing each --help with two lines on how options are written. */
void short_help(void);

/* One line "fuse-aio: ..." on standard error; returns EXIT_FAILURE. */
int complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
