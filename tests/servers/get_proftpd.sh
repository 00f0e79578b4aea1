#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Puts Debian's proftpd under build/proftpd without installing it: its package
# conflicts with vsftpd, and both are to be tested. Packages that are unpacked
# are proftpd itself and the libraries it needs and this machine lacks.
set -eu

top=$(cd "$(dirname "$0")/../.." && pwd)
into="$top/build/proftpd"
binary="$into/usr/sbin/proftpd"
libs="$into/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || gcc -print-multiarch)"

mkdir -p "$into/debs"
cd "$into/debs"

fetch() {
	apt-get -o APT::Sandbox::User=root download "$1" >/dev/null
	for deb in ./*.deb; do
		dpkg-deb -x "$deb" "$into"
		rm -f "$deb"
	done
}

lacking() {
	LD_LIBRARY_PATH="$libs" ldd "$binary" | awk '/not found/ { print $1 }' | sort -u
}

depends() {
	apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
		--no-replaces --no-enhances proftpd-core | grep '^lib'
}

[ -x "$binary" ] || fetch proftpd-core

[ -z "$(lacking)" ] || for package in $(depends); do
	dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' && continue
	fetch "$package"
	[ -n "$(lacking)" ] || break
done

if [ -n "$(lacking)" ]; then
	echo "get_proftpd.sh: still missing: $(lacking)" >&2
	exit 1
fi
echo "$binary"
