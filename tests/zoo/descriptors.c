/* SPDX-License-Identifier: MIT
 *
 * Descriptors that travel: sent to another process and back while cold, put over
 * captured ones, copied, and closed by another thread while a read waits. And
 * numbers that libc gives away from inside, behind the library's back.
 */
#include <pthread.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "zoo.h"

static void give(int sock, int fd)
{
	char room[CMSG_SPACE(sizeof(int))] = { 0 }, c = 'f';
	struct iovec iov = { &c, 1 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = room,
			    .msg_controllen = sizeof(room) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &fd, sizeof(fd));
	MUST(sendmsg(sock, &m, 0));
}

static int take(int sock)
{
	char room[CMSG_SPACE(sizeof(int))] = { 0 }, c;
	struct iovec iov = { &c, 1 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = room,
			    .msg_controllen = sizeof(room) };
	int fd = -1;

	if (MUST(recvmsg(sock, &m, 0)) == 1 && CMSG_FIRSTHDR(&m))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	return fd;
}

/* Each opens cold, gives it away, closes; the other reads, closes, gives its own. */
static void travel(void)
{
	int pair[2], side;
	pid_t pid;

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	say("%lx\n", (unsigned long)warm());
	pid = MUST(fork());
	side = pid ? 0 : 1;
	MUST(close(pair[!side]));
	for (unsigned i = 0; i < 16; i++) {
		int fd;

		if ((i + (unsigned)side) % 2) {
			fd = take(pair[side]);
			say("%u got %d at %ld: %lx\n", i, fd, (long)lseek(fd, 0, SEEK_CUR),
			    (unsigned long)sum_of(fd));
			MUST(close_here(fd));
		} else {
			char c;

			fd = MUST(open_here(file_name(i), O_RDONLY));
			MUST(read_here(fd, &c, 1));
			give(pair[side], fd);
			MUST(close_here(fd));
		}
	}
	if (!pid)
		_exit(0);
	say_status("child", pid);
}

static void over(void)
{
	say("%lx\n", (unsigned long)warm());
	for (unsigned i = 0; i < 8; i++) {
		int a = MUST(open_here(file_name(i), O_RDONLY));
		int b = MUST(open_here(file_name(i + 1), O_RDONLY)), c, d;
		char buf[4];

		MUST(read_here(a, buf, 4));
		MUST(dup2(b, a));
		say("%lx ", (unsigned long)sum_of(a));
		c = MUST(fcntl(a, F_DUPFD, 20));
		d = MUST(fcntl(b, F_DUPFD_CLOEXEC, 20));
		MUST(close_here(a));
		MUST(lseek(c, 7, SEEK_SET));
		say("%d %d at %ld ", c, d, (long)lseek(b, 0, SEEK_CUR));
		MUST(dup3(d, c, O_CLOEXEC));
		MUST(dup2(b, b));
		MUST(close_here(b));
		say("%lx ", (unsigned long)sum_of(c));
		MUST(close_here(c));
		MUST(close_here(d));
		say("again: %s\n", error_name(close_here(d)));
	}
	say_open("end");
}

/* Numbers reused by calls that nobody sees: stdio, raw system calls, pipes. */
static void behind(void)
{
	say("%lx\n", (unsigned long)warm());
	for (unsigned i = 0; i < 8; i++) {
		int a = MUST(open_here(file_name(i), O_RDONLY)), p[2], w;
		FILE *f;
		char c = '-';

		sum_of(a);
		MUST(syscall(SYS_close, a));
		f = fopen("made", "w");
		if (!f)
			_exit(97);
		fprintf(f, "text %u", i);
		/* What was captured at this number has gone: it is a writer's now. */
		say("%d ", fileno(f) == a);
		fclose(f);
		a = MUST(open_here(file_name(i), O_RDONLY));
		MUST(syscall(SYS_close, a));
		MUST(pipe(p));
		MUST(write(p[1], "p", 1));
		MUST(read_here(p[0], &c, 1));
		MUST(close_here(p[0]));
		say("%c %s ", c, error_name(fcntl(p[0], F_GETFD)));
		MUST(close_here(p[1]));
		a = MUST(open_here(file_name(i), O_RDONLY));
		MUST(syscall(SYS_close, a));
		w = MUST((int)syscall(SYS_openat, AT_FDCWD, "made", O_RDWR));
		MUST(write(w, "w", 1));
		MUST(close_here(w));
		say("%s\n", error_name(fcntl(w, F_GETFD)));
	}
	say_open("end");
}

static int racing;

static void *reader(void *unused)
{
	static char buf[65536];

	(void)unused;
	return (void *)read_here(racing, buf, sizeof(buf));
}

/* The number is free at once, the read goes on with the file it had. */
static void race(void)
{
	int bad = 0;

	say("%lx\n", (unsigned long)warm());
	for (unsigned i = 0; i < 40; i++) {
		pthread_t t;
		void *n;
		int other;

		racing = MUST(open_here("f15", O_RDONLY));
		pthread_create(&t, NULL, reader, NULL);
		nap(i * 53);
		MUST(close_here(racing));
		bad += fcntl(racing, F_GETFD) >= 0;
		other = MUST(open("/dev/null", O_RDONLY));
		bad += other != racing;
		pthread_join(t, &n);
		/* The whole file, nothing of /dev/null, or the number was gone already. */
		bad += (long)n != 500 + 15 * 3001 && (long)n != 0 && (long)n != -1;
		bad += fcntl(other, F_GETFD) < 0;
		MUST(close(other));
	}
	say("bad %d\n", bad);
	say_open("end");
}

static void *opens(void *seen)
{
	int *bad = seen;

	for (unsigned i = 0; i < 60; i++) {
		struct stat a, b;
		int fd = MUST(open_here(file_name(i), O_RDONLY));

		MUST(fstat_here(fd, &a));
		MUST(stat_here(file_name(i), &b));
		*bad += a.st_ino != b.st_ino;
		sum_of(fd);
		*bad += fcntl(fd, F_GETFD) < 0;
		MUST(close_here(fd));
	}
	return NULL;
}

/* Many threads take and give numbers: nobody's is closed by another. */
static void busy(void)
{
	pthread_t t[8];
	int bad[8] = { 0 }, sum = 0;

	warm();
	for (unsigned i = 0; i < 8; i++)
		pthread_create(&t[i], NULL, opens, &bad[i]);
	for (unsigned i = 0; i < 8; i++) {
		pthread_join(t[i], NULL);
		sum += bad[i];
	}
	say("bad %d\n", sum);
	say_open("end");
}

int main(int argc, char **argv)
{
	static const struct way ways[] = {
		{ "travel", travel }, { "over", over }, { "behind", behind },
		{ "race", race },     { "busy", busy }, { NULL, NULL },
	};

	return choose(ways, argc, argv);
}
