#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Installs what building and testing need, on Debian and Ubuntu; elsewhere says
# what is missing. Does nothing when all of it is there.
set -eu

build="build-essential pkg-config liburing-dev uthash-dev systemtap-sdt-dev libdw-dev libelf-dev
libjansson-dev libncurses-dev libjs-d3"
test="libcmocka-dev libunwind8 libfuse3-dev fuse3 python3 python3-pytest
python3-matplotlib vsftpd nginx-light lighttpd apache2 busybox webfs wrk lftp curl openssl
strace procps iproute2 acl attr sshfs openssh-server libfaketime libjemalloc2 eatmydata libcap2-bin
tmux bpftrace chromium bash-completion zsh fish man-db
tar findutils diffutils grep rsync git zip unzip file make xfsprogs btrfs-progs"
# Counts kernel entries in a benchmark; Ubuntu calls its package by the kernel's version.
command -v perf >/dev/null || ! apt-cache show linux-perf >/dev/null 2>&1 || test="$test linux-perf"
lint="clang clang-format clang-tidy libclang-rt-14-dev cppcheck"
cross="gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user"

if ! command -v dpkg-query >/dev/null; then
	echo "deps: not a Debian or Ubuntu system; install the equivalents of:" >&2
	echo $build $test $lint $cross >&2
	for tool in cc make pkg-config python3 vsftpd nginx lighttpd busybox fusermount3 wrk lftp curl; do
		command -v $tool >/dev/null || echo "deps: missing: $tool" >&2
	done
	exit 0
fi

missing=""
for p in $build $test $lint $cross; do
	dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
done
# Conflicts with vsftpd as a package: unpacked into build/, or its tests are skipped.
proftpd() {
	[ -x build/proftpd/usr/sbin/proftpd ] || sh tests/servers/get_proftpd.sh >/dev/null ||
		echo "deps: no proftpd: its tests will be skipped" >&2
}

if [ -z "$missing" ]; then
	proftpd
	exit 0
fi

echo "deps: installing:$missing"
sudo=""
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || { echo "deps: not root and no sudo: apt-get install$missing" >&2; exit 1; }
	sudo=sudo
fi

# The servers are wanted as programs, not running: keep their packages from starting them.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
	trap '$sudo rm -f $policy' EXIT INT TERM
	printf '#!/bin/sh\nexit 101\n' | $sudo tee $policy >/dev/null
	$sudo chmod 755 $policy
fi
$sudo apt-get update -qq
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
proftpd
