/* SPDX-License-Identifier: MIT */
/*
 * slowfs [options] BACKING MOUNTPOINT: a FUSE pass-through file system on which
 * every request takes as long as it is told to, any number of them at once. It
 * stands for NFS, sshfs and object-store mounts in the tests. One thread reads
 * requests, has them done on the backing directory, and sends each reply when
 * its time has come: with a thread per request the threads would be what is
 * measured. The backing directory belongs on tmpfs for the same reason.
 */
#include "slowfs.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

struct slowfs fs = {
	.entry_timeout = 1.0,
	.attr_timeout = 1.0, /* as libfuse has it */
	.max_background = 512,
};

static const struct op {
	const char *name;
	uint32_t code;
	bool replies;
} op_list[] = {
	{ "lookup", FUSE_LOOKUP, true },
	{ "forget", FUSE_FORGET, false },
	{ "batch_forget", FUSE_BATCH_FORGET, false },
	{ "getattr", FUSE_GETATTR, true },
	{ "setattr", FUSE_SETATTR, true },
	{ "readlink", FUSE_READLINK, true },
	{ "symlink", FUSE_SYMLINK, true },
	{ "mknod", FUSE_MKNOD, true },
	{ "mkdir", FUSE_MKDIR, true },
	{ "unlink", FUSE_UNLINK, true },
	{ "rmdir", FUSE_RMDIR, true },
	{ "rename", FUSE_RENAME, true },
	{ "rename2", FUSE_RENAME2, true },
	{ "link", FUSE_LINK, true },
	{ "open", FUSE_OPEN, true },
	{ "create", FUSE_CREATE, true },
	{ "read", FUSE_READ, true },
	{ "write", FUSE_WRITE, true },
	{ "flush", FUSE_FLUSH, true },
	{ "release", FUSE_RELEASE, true },
	{ "fsync", FUSE_FSYNC, true },
	{ "fallocate", FUSE_FALLOCATE, true },
	{ "lseek", FUSE_LSEEK, true },
	{ "copy_file_range", FUSE_COPY_FILE_RANGE, true },
	{ "opendir", FUSE_OPENDIR, true },
	{ "readdir", FUSE_READDIR, true },
	{ "readdirplus", FUSE_READDIRPLUS, true },
	{ "releasedir", FUSE_RELEASEDIR, true },
	{ "fsyncdir", FUSE_FSYNCDIR, true },
	{ "statfs", FUSE_STATFS, true },
	{ "setxattr", FUSE_SETXATTR, true },
	{ "getxattr", FUSE_GETXATTR, true },
	{ "listxattr", FUSE_LISTXATTR, true },
	{ "removexattr", FUSE_REMOVEXATTR, true },
	{ "ioctl", FUSE_IOCTL, true },
	{ "interrupt", FUSE_INTERRUPT, false },
};

#define OPS (sizeof(op_list) / sizeof(op_list[0]))

static const char usage_text[] =
	"usage: slowfs [options] BACKING MOUNTPOINT\n"
	"A pass-through file system that answers late; runs until unmounted or SIGTERM.\n"
	"  --delay-us N         time every request takes, in microseconds (default 2000)\n"
	"  --delay-OP-us N      the same for one operation: lookup, getattr, open, read,\n"
	"                       flush, release, opendir, readdir, create, write, ...\n"
	"  --delay-op OP=N      the same\n"
	"  --entry-timeout SEC  how long the kernel may keep names (default 1.0)\n"
	"  --attr-timeout SEC   how long the kernel may keep attributes (default 1.0)\n"
	"  --max-background N   requests the kernel sends ahead of need (default 512)\n"
	"  --keep-cache         keep cached pages when a file is opened again\n"
	"  --readdirplus        offer attributes together with directory entries\n"
	"  --fail-read N        the Nth read request fails with EIO\n"
	"  --fail-open N        the Nth open request fails with ENOENT\n"
	"  --short-read N       the Nth read request gives half of what it should\n"
	"  --counts FILE        write requests by operation there, as JSON, at the end\n"
	"                       and on SIGUSR1\n";

static volatile sig_atomic_t stop_wanted, counts_wanted;

/* The request that is being worked on: replies are made while it is. */
static uint32_t current_op;
static uint64_t arrived;

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *format, ...)
{
	va_list ap;

	fputs("slowfs: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(2);
}

/* --- options ------------------------------------------------------------ */

static unsigned long number(const char *option, const char *text, unsigned long max)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (!isdigit((unsigned char)*text) || *end || errno || n > max)
		die("--%s: '%s' is not a number from 0 to %lu", option, text, max);
	return n;
}

static double seconds(const char *option, const char *text)
{
	char *end;
	double d = strtod(text, &end);

	if (end == text || *end || !(d >= 0 && d <= 1e9))
		die("--%s: '%s' is not a number of seconds", option, text);
	return d;
}

static const struct op *find_op(const char *name, size_t len)
{
	for (size_t i = 0; i < OPS; i++)
		if (strlen(op_list[i].name) == len && !strncmp(op_list[i].name, name, len))
			return op_list[i].replies ? &op_list[i] : NULL;
	return NULL;
}

#define MAX_DELAY_US 60000000ul

static void delay_option(const char *option, const char *name, size_t len,
			 const char *value)
{
	const struct op *op = find_op(name, len);

	if (!op)
		die("--%s: no operation is called '%.*s'", option, (int)len, name);
	fs.delay_ns[op->code] = number(option, value, MAX_DELAY_US) * 1000;
}

static void delay_op(const char *arg)
{
	const char *eq = strchr(arg, '=');

	if (!eq)
		die("--delay-op: '%s' is not OP=MICROSECONDS", arg);
	delay_option("delay-op", arg, (size_t)(eq - arg), eq + 1);
}

static void delay_all(const char *arg)
{
	uint64_t ns = number("delay-us", arg, MAX_DELAY_US) * 1000;

	for (size_t i = 0; i < OPS; i++)
		fs.delay_ns[op_list[i].code] = ns;
}

enum {
	O_DELAY = 256,
	O_DELAY_OP,
	O_ENTRY,
	O_ATTR,
	O_BACKGROUND,
	O_KEEP,
	O_PLUS,
	O_FAIL_READ,
	O_FAIL_OPEN,
	O_SHORT,
	O_COUNTS,
	O_HELP,
	O_DELAY_ONE /* + index into op_list */
};

static const struct option fixed_options[] = {
	{ "delay-us", 1, NULL, O_DELAY },
	{ "delay-op", 1, NULL, O_DELAY_OP },
	{ "entry-timeout", 1, NULL, O_ENTRY },
	{ "attr-timeout", 1, NULL, O_ATTR },
	{ "max-background", 1, NULL, O_BACKGROUND },
	{ "keep-cache", 0, NULL, O_KEEP },
	{ "readdirplus", 0, NULL, O_PLUS },
	{ "fail-read", 1, NULL, O_FAIL_READ },
	{ "fail-open", 1, NULL, O_FAIL_OPEN },
	{ "short-read", 1, NULL, O_SHORT },
	{ "counts", 1, NULL, O_COUNTS },
	{ "help", 0, NULL, O_HELP },
};

#define FIXED (sizeof(fixed_options) / sizeof(fixed_options[0]))

static void all_options(struct option *o, char names[][40])
{
	memcpy(o, fixed_options, sizeof(fixed_options));
	o += FIXED;
	for (size_t i = 0; i < OPS; i++) {
		snprintf(names[i], sizeof(names[i]), "delay-%s-us", op_list[i].name);
		*o++ = (struct option){ names[i], 1, NULL, O_DELAY_ONE + (int)i };
	}
	*o = (struct option){ 0 };
}

static void one_option(int c, const char *name, const char *arg)
{
	switch (c) {
	case O_DELAY:
		break; /* done in a first pass, so that order does not matter */
	case O_DELAY_OP:
		delay_op(arg);
		break;
	case O_ENTRY:
		fs.entry_timeout = seconds(name, arg);
		break;
	case O_ATTR:
		fs.attr_timeout = seconds(name, arg);
		break;
	case O_BACKGROUND:
		fs.max_background = (unsigned int)number(name, arg, 65535);
		break;
	case O_KEEP:
		fs.keep_cache = true;
		break;
	case O_PLUS:
		fs.readdirplus = true;
		break;
	case O_FAIL_READ:
		fs.fail_read = number(name, arg, ULONG_MAX);
		break;
	case O_FAIL_OPEN:
		fs.fail_open = number(name, arg, ULONG_MAX);
		break;
	case O_SHORT:
		fs.short_read = number(name, arg, ULONG_MAX);
		break;
	case O_COUNTS:
		fs.counts_file = arg;
		break;
	case O_HELP:
		fputs(usage_text, stdout);
		exit(0);
	case '?':
		exit(2); /* getopt has said why */
	default:
		delay_option(name, op_list[c - O_DELAY_ONE].name,
			     strlen(op_list[c - O_DELAY_ONE].name), arg);
	}
}

static void parse_options(int argc, char **argv)
{
	struct option options[FIXED + OPS + 1];
	char names[OPS][40];
	int c, index = 0;

	all_options(options, names);
	argv[0] = (char[]){ "slowfs" }; /* for getopt's messages */
	delay_all("2000");
	for (int pass = 0; pass < 2; pass++) {
		char *copy[argc + 1]; /* getopt reorders what it is given */

		memcpy(copy, argv, sizeof(copy));
		optind = 0; /* GNU: start anew */
		opterr = pass;
		while ((c = getopt_long(argc, pass ? argv : copy, "", options, &index)) !=
		       -1)
			if (pass == 0 && c == O_DELAY)
				delay_all(optarg);
			else if (pass == 1)
				one_option(c, options[index].name, optarg);
	}
	if (argc - optind != 2)
		die("wanted are a backing directory and a mount point; --help tells more");
	fs.backing = argv[optind];
	fs.mountpoint = argv[optind + 1];
}

/* --- counts ------------------------------------------------------------- */

static void write_counts(void)
{
	char tmp[PATH_MAX];
	FILE *f;

	if (!fs.counts_file)
		return;
	snprintf(tmp, sizeof(tmp), "%s.tmp", fs.counts_file);
	f = fopen(tmp, "we");
	if (!f) {
		fprintf(stderr, "slowfs: %s: %s\n", tmp, strerror(errno));
		return;
	}
	for (size_t i = 0; i < OPS; i++)
		fprintf(f, "%s\"%s\": %lu", i ? ", " : "{", op_list[i].name,
			fs.count[op_list[i].code]);
	fputs("}\n", f);
	/* Renamed when complete: whoever waits for the file never sees half of it. */
	if (fclose(f) || rename(tmp, fs.counts_file))
		fprintf(stderr, "slowfs: %s: %s\n", fs.counts_file, strerror(errno));
}

/* --- the loop ----------------------------------------------------------- */

static ssize_t io_read(int fd, void *buf, size_t len, void *data)
{
	(void)data;
	return read(fd, buf, len);
}

/*
 * Without this flag the kernel sends one lookup per directory at a time. libfuse
 * documents it as on by default, but releases such as 3.14 never pass it on.
 */
static void allow_parallel_lookups(const struct iovec *iov)
{
	struct fuse_init_out *out = iov[1].iov_base;

	if (iov[1].iov_len >= offsetof(struct fuse_init_out, max_background))
		out->flags |= FUSE_PARALLEL_DIROPS;
}

static ssize_t io_writev(int fd, struct iovec *iov, int count, void *data)
{
	const struct fuse_out_header *h = iov[0].iov_base;
	uint64_t delay = current_op < OPCODES ? fs.delay_ns[current_op] : 0;

	(void)data;
	if (current_op == FUSE_INIT && !h->error && count > 1)
		allow_parallel_lookups(iov);
	/* Unasked-for notifications, and replies without delay, go at once. */
	if (!h->unique || !delay)
		return writev(fd, iov, count);
	if (delay_put(arrived + delay, iov, count))
		return writev(fd, iov, count);
	return h->len;
}

static void process(struct fuse_session *se, struct fuse_buf *buf)
{
	const struct fuse_in_header *in = buf->mem;

	current_op = in->opcode;
	arrived = now_ns();
	if (current_op < OPCODES)
		fs.count[current_op]++;
	/*
	 * Interrupts need no answer, and there is nothing to interrupt: the work
	 * is done already when one comes.
	 */
	if (current_op != FUSE_INTERRUPT)
		fuse_session_process_buf(se, buf);
}

static void receive(struct fuse_session *se, struct fuse_buf *buf)
{
	/* Bounded, so that replies and signals get their turn under any load. */
	for (int i = 0; i < 64; i++) {
		int n = fuse_session_receive_buf(se, buf);

		if (n == -EINTR || n == -EAGAIN)
			return;
		if (n <= 0) {
			fuse_session_exit(se);
			return;
		}
		process(se, buf);
		delay_send(fuse_session_fd(se), arrived);
	}
}

static void on_signal(int sig)
{
	if (sig == SIGUSR1)
		counts_wanted = 1;
	else
		stop_wanted = 1;
}

static void catch_signals(sigset_t *while_waiting)
{
	static const int caught[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1 };
	struct sigaction sa = { .sa_handler = on_signal };
	sigset_t block;

	sigemptyset(&block);
	for (size_t i = 0; i < sizeof(caught) / sizeof(caught[0]); i++) {
		sigaction(caught[i], &sa, NULL);
		sigaddset(&block, caught[i]);
	}
	/* They arrive in ppoll() only, so none is missed between test and wait. */
	sigprocmask(SIG_BLOCK, &block, while_waiting);
	for (size_t i = 0; i < sizeof(caught) / sizeof(caught[0]); i++)
		sigdelset(while_waiting, caught[i]);
	signal(SIGPIPE, SIG_IGN);
	/* Delays are to be as asked, not 50 microseconds longer. */
	prctl(PR_SET_TIMERSLACK, 1);
}

static void loop(struct fuse_session *se, const sigset_t *while_waiting)
{
	struct pollfd p = { .fd = fuse_session_fd(se), .events = POLLIN };
	struct fuse_buf buf = { 0 };

	fcntl(p.fd, F_SETFL, fcntl(p.fd, F_GETFL) | O_NONBLOCK);
	while (!stop_wanted && !fuse_session_exited(se)) {
		uint64_t now = now_ns(), next, wait;
		struct timespec ts;
		int n;

		delay_send(p.fd, now);
		next = delay_next();
		wait = next > now ? next - now : 0;
		ts = (struct timespec){ (time_t)(wait / 1000000000u),
					(long)(wait % 1000000000u) };
		n = ppoll(&p, 1, next == UINT64_MAX ? NULL : &ts, while_waiting);
		if (counts_wanted) {
			counts_wanted = 0;
			write_counts();
		}
		if (n > 0)
			receive(se, &buf);
	}
	/* Nobody is left waiting for an answer that was due. */
	delay_send(p.fd, UINT64_MAX);
	free(buf.mem);
}

static struct fuse_session *mount_it(void)
{
	static const struct fuse_custom_io io = { .read = io_read, .writev = io_writev };
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct fuse_session *se;

	if (fuse_opt_add_arg(&args, "slowfs") ||
	    fuse_opt_add_arg(&args,
			     fs.root ? "-odefault_permissions,fsname=slowfs,allow_other"
				     : "-odefault_permissions,fsname=slowfs"))
		die("out of memory");
	se = fuse_session_new(&args, fs.readdirplus ? &slowfs_ops_plus : &slowfs_ops,
			      sizeof(slowfs_ops), NULL);
	fuse_opt_free_args(&args);
	if (!se)
		die("libfuse refused to start");
	if (fuse_session_mount(se, fs.mountpoint))
		die("cannot mount on '%s'", fs.mountpoint);
	/* libfuse's own descriptor again, but with all output through io_writev(). */
	if (fuse_session_custom_io(se, &io, fuse_session_fd(se)))
		die("libfuse refused the reply queue");
	return se;
}

static void check_directory(const char *what, const char *path)
{
	struct stat st;

	if (stat(path, &st))
		die("%s '%s': %s", what, path, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		die("%s '%s': %s", what, path, strerror(ENOTDIR));
}

int main(int argc, char **argv)
{
	struct fuse_session *se;
	sigset_t while_waiting;
	int err;

	parse_options(argc, argv);
	check_directory("backing directory", fs.backing);
	check_directory("mount point", fs.mountpoint);
	fs.root = geteuid() == 0;
	umask(0);
	err = inode_init(fs.backing);
	if (err)
		die("backing directory '%s': %s", fs.backing, strerror(-err));
	catch_signals(&while_waiting);
	se = mount_it();
	loop(se, &while_waiting);
	fuse_session_unmount(se);
	fuse_session_destroy(se);
	write_counts();
	delay_drop();
	inode_exit();
	return 0;
}
