/* SPDX-License-Identifier: MIT
 *
 * Everything that depends on the processor: the raw system call, the cycle
 * counter, and the gate through which calls pass that return twice or switch
 * stacks. Other files hold nothing of this kind.
 */
#ifndef FA_ARCH_H
#define FA_ARCH_H

#include <stdint.h>

#if defined(__x86_64__)

#define FA_GLIBC_BASE "GLIBC_2.2.5" /* the oldest symbol version */

static inline long fa_syscall6(long n, long a, long b, long c, long d, long e, long f)
{
	long ret;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

static inline uint64_t fa_cycles(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return ((uint64_t)hi << 32) | lo;
}

/* Ticks a second of fa_cycles(), 0 where the processor does not tell. */
static inline uint64_t fa_cycles_hz(void)
{
	return 0;
}

static inline void fa_relax(void)
{
	__asm__ volatile("pause");
}

/*
 * A gate is a symbol without a frame of its own: it shows its arguments to
 * `hook`, which returns the real function, and jumps there. vfork() and clone()
 * need that: a frame of ours would be gone when they return a second time.
 */
/* clang-format off */
#define FA_GATE(symbol, hook)                                                              \
	__asm__(".text\n.globl " symbol "\n.type " symbol ",@function\n" symbol ":\n"      \
		"	.cfi_startproc\n"                                                  \
		"	endbr64\n"                                                         \
		"	push %rdi\n	push %rsi\n	push %rdx\n	push %rcx\n"       \
		"	push %r8\n	push %r9\n	sub $8, %rsp\n"                    \
		"	.cfi_adjust_cfa_offset 56\n"                                       \
		"	call " hook "\n"                                                   \
		"	add $8, %rsp\n	pop %r9\n	pop %r8\n"                         \
		"	pop %rcx\n	pop %rdx\n	pop %rsi\n	pop %rdi\n"        \
		"	.cfi_adjust_cfa_offset -56\n"                                      \
		"	jmp *%rax\n"                                                       \
		"	.cfi_endproc\n.size " symbol ", .-" symbol "\n")
/* clang-format on */

#elif defined(__aarch64__)

#define FA_GLIBC_BASE "GLIBC_2.17"

static inline long fa_syscall6(long n, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = n;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}

static inline uint64_t fa_cycles(void)
{
	uint64_t v;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(v));
	return v;
}

static inline uint64_t fa_cycles_hz(void)
{
	uint64_t v;

	__asm__ volatile("mrs %0, cntfrq_el0" : "=r"(v));
	return v;
}

static inline void fa_relax(void)
{
	__asm__ volatile("yield");
}

/* clang-format off */
#define FA_GATE(symbol, hook)                                                              \
	__asm__(".text\n.globl " symbol "\n.type " symbol ",%function\n" symbol ":\n"      \
		"	.cfi_startproc\n"                                                  \
		"	hint #34\n" /* bti c */                                            \
		"	stp x29, x30, [sp, #-80]!\n"                                       \
		"	.cfi_def_cfa_offset 80\n"                                          \
		"	.cfi_offset 30, -72\n"                                             \
		"	stp x0, x1, [sp, #16]\n	stp x2, x3, [sp, #32]\n"                   \
		"	stp x4, x5, [sp, #48]\n	stp x6, x7, [sp, #64]\n"                   \
		"	bl " hook "\n"                                                     \
		"	mov x16, x0\n"                                                     \
		"	ldp x0, x1, [sp, #16]\n	ldp x2, x3, [sp, #32]\n"                   \
		"	ldp x4, x5, [sp, #48]\n	ldp x6, x7, [sp, #64]\n"                   \
		"	ldp x29, x30, [sp], #80\n"                                         \
		"	.cfi_def_cfa_offset 0\n	.cfi_restore 30\n"                         \
		"	br x16\n"                                                          \
		"	.cfi_endproc\n.size " symbol ", .-" symbol "\n")
/* clang-format on */

#else
#error "libfuse_aio knows x86-64 and aarch64: add the system call, the counter and the gate here"
#endif

#endif
