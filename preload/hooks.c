/* SPDX-License-Identifier: MIT
 *
 * The wrappers that only tell the runtime what is about to happen, made from
 * symbols.def; the gates; and the library's own beginning and end.
 */
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "real.h"

static void fa_before_prctl(int op)
{
	if (op == PR_SET_SECCOMP)
		fa_filter_coming();
}

/* Another program runs, whose end may be waited for. */
static void fa_spawns(void)
{
	fa_settle_all();
	fa_drain();
}

/* It may wait for another process. */
static void fa_flocks(void)
{
	fa_settle_all();
	fa_locks(false);
}

static void fa_waits(void)
{
	fa_settle_all();
	fa_heard();
}

static void fa_connecting(int fd)
{
	fa_touch();
	fa_forget_watch(fd);
}

static void fa_fork_coming(void)
{
	fa_promise_fork();
	fa_sets_inherited();
	fa_drain();
}

static void fa_before_ioctl(int fd, unsigned long request)
{
	fa_touch();
	if (request == FIONREAD)
		fa_recv_told(fd);
	else if (request == FIONBIO) /* its argument is behind a pointer */
		fa_forget_socket(fd);
}

static void fa_before_rlimit(int resource, const struct rlimit *rl)
{
	fa_settle_all();
	if (resource == RLIMIT_NPROC && rl)
		fa_nproc_falls();
}

#define WRAP(ret, name, params, why)
#define HOOK(ret, name, params, args, hook, why) \
	ret fa_##name params                     \
	{                                        \
		hook;                            \
		return REAL(name) args;          \
	}
/* After an unshare or setns the kernel's workers would see other files than we. */
#define PRIV(ret, name, params, args, why)                              \
	ret fa_##name params                                            \
	{                                                               \
		int r;                                                  \
                                                                        \
		fa_privilege_changes(FA_SYM_##name == FA_SYM_unshare || \
				     FA_SYM_##name == FA_SYM_setns);    \
		r = REAL(name) args;                                    \
		fa_privileges_changed();                                \
		return r;                                               \
	}
#define GATE(name, why) FA_GATE(#name, "fa_" #name "_gate");
#include "symbols.def"
#undef WRAP
#undef HOOK
#undef PRIV
#undef GATE

static void *target(enum fa_symbol which)
{
	fa_any_fn *f = fa_real_of(which);
	void *p;

	__builtin_memcpy(&p, &f, sizeof(p));
	return p;
}

/* A child that shares memory but brings no thread-local storage of its own. */
static void clone_coming(unsigned long flags)
{
	if (flags & CLONE_THREAD) {
		fa_thread_coming();
	} else {
		fa_promise_fork();
		fa_drain();
	}
	if (!(flags & (CLONE_THREAD | CLONE_VFORK)))
		fa_sets_inherited();
	if (flags & CLONE_VM && !(flags & CLONE_SETTLS))
		fa_storage_shared(flags & CLONE_VFORK);
}

void *fa_vfork_gate(long a, long b, long c, long d, long e, long f)
{
	(void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
	clone_coming(CLONE_VM | CLONE_VFORK);
	return target(FA_SYM_vfork);
}

void *fa_clone_gate(long fn, long stack, long flags, long arg, long e, long f)
{
	(void)fn, (void)stack, (void)arg, (void)e, (void)f;
	clone_coming((unsigned long)flags);
	return target(FA_SYM_clone);
}

/* Variadic ones among them: the gate leaves all arguments where they are. */
#define EXEC(name)                                                             \
	void *fa_##name##_gate(long a, long b, long c, long d, long e, long f) \
	{                                                                      \
		(void)a, (void)b, (void)c, (void)d, (void)e, (void)f;          \
		fa_exec_coming();                                              \
		return target(FA_SYM_##name);                                  \
	}

EXEC(execve)
EXEC(execv)
EXEC(execvp)
EXEC(execvpe)
EXEC(execveat)
EXEC(fexecve)
EXEC(execl)
EXEC(execlp)
EXEC(execle)

/* Calls by number that would matter if they were made by name. */
void *fa_syscall_gate(long number, long a, long b, long c, long d, long e)
{
	(void)d, (void)e;
	switch (number) {
	case SYS_clone:
		clone_coming((unsigned long)a);
		break;
	case SYS_clone3: /* its flags are behind a pointer that may be bad */
		clone_coming(CLONE_VM);
		break;
#ifdef SYS_vfork
	case SYS_vfork:
		clone_coming(CLONE_VM | CLONE_VFORK);
		break;
#endif
	case SYS_prctl:
		fa_before_prctl((int)a);
		break;
	case SYS_seccomp:
		if (a == SECCOMP_SET_MODE_STRICT || a == SECCOMP_SET_MODE_FILTER)
			fa_filter_coming();
		break;
	case SYS_setuid:
	case SYS_setgid:
	case SYS_setreuid:
	case SYS_setregid:
	case SYS_setresuid:
	case SYS_setresgid:
	case SYS_setfsuid:
	case SYS_setfsgid:
	case SYS_setgroups:
	case SYS_capset:
	case SYS_chroot:
	case SYS_pivot_root:
	case SYS_unshare:
	case SYS_setns:
		/* There is no after: with threads nothing is started any more. */
		fa_privilege_changes(true);
		break;
	case SYS_close_range:
		if (c & CLOSE_RANGE_UNSHARE)
			fa_privilege_changes(true);
		break;
	case SYS_fcntl:
		if (b == F_SETLK || b == F_SETLKW)
			fa_locks(true);
		break;
	case SYS_flock:
		fa_locks(false);
		break;
	case SYS_chdir:
	case SYS_fchdir:
		fa_directory_changes();
		break;
#ifdef SYS_unlink
	case SYS_unlink:
	case SYS_rmdir:
	case SYS_rename:
#endif
	case SYS_renameat:
	case SYS_unlinkat:
	case SYS_renameat2:
	case SYS_umount2:
		fa_drain();
		break;
	case SYS_execve:
	case SYS_execveat:
		fa_exec_coming();
		break;
	case SYS_exit_group:
		fa_process_ends();
		break;
	default:
		fa_settle_all();
		break;
	}
	return target(FA_SYM_syscall);
}

__attribute__((constructor)) static void library_starts(void)
{
	fa_resolve_all();
	fa_process_starts();
}

__attribute__((destructor)) static void library_ends(void)
{
	fa_process_ends();
}
