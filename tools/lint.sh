#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Formatting by clang-format, warnings of clang and gcc as errors, cppcheck.
# lint.sh FILES...
# lint.sh --compilers FILES...: only these, one after the other
set -eu

flags="-std=gnu11 -D_GNU_SOURCE -O2 -fsyntax-only -Wall -Wextra -Wshadow -Wconversion -Werror"
compilers() {
	for f in "$@"; do
		case $f in
		tests/support/*.c) extra=$(pkg-config --cflags fuse3) ;;
		tests/unit/*.c) extra="-DFA_FAKE_SYSCALLS" ;;
		tools/*.c) extra='-DFA_VERSION="0"' ;;
		*.c) extra="" ;;
		*) continue ;;
		esac
		gcc $flags $extra "$f"
		clang $flags $extra "$f"
	done
}

if [ "$1" = --compilers ]; then
	shift
	compilers "$@"
	exit
fi

clang-format --dry-run -Werror "$@"

printf '%s\n' "$@" | xargs -n 16 -P "$(nproc)" sh "$0" --compilers

cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 -D_GNU_SOURCE -D__x86_64__ \
	--enable=warning,portability --suppress=missingIncludeSystem -j2 \
	preload runtime tools/*.c

# What must not be in a process that is not ours.
if grep -nE '\b(malloc|calloc|free|printf|fprintf|abort|exit)\(' runtime/*.[ch] preload/*.[ch]; then
	echo "lint: allocation, printing or exit on the interposed path" >&2
	exit 1
fi
