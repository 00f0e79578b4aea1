/* SPDX-License-Identifier: MIT
 *
 * A program for other processors: sequences, fork, vfork and raw clone through
 * the gates. Prints what it sees, the same with and without the library.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void sequence(const char *path)
{
	struct stat st;
	char byte = 0;
	int fd;

	stat(path, &st);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	fstat(fd, &st);
	printf("%d %d %zd %d\n", fd, (int)S_ISREG(st.st_mode), read(fd, &byte, 1),
	       close(fd));
}

static void ended(const char *what, pid_t pid)
{
	int status = -1;

	printf("%s %d %d\n", what, waitpid(pid, &status, 0) == pid, WEXITSTATUS(status));
	fflush(stdout);
}

int main(int argc, char **argv)
{
	pid_t pid;

	for (int i = 0; i < 40 && argc > 1; i++)
		sequence(argv[1]);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		sequence(argv[1]);
		fflush(stdout);
		_exit(3);
	}
	ended("fork", pid);
	pid = vfork();
	if (pid == 0)
		_exit(4);
	ended("vfork", pid);
	pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		_exit(5);
	ended("clone", pid);
	return 0;
}
