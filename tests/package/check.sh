#!/bin/sh
# Tests the Debian package that `make deb` left in build/deb/: tests/package/check.sh
#
# - Built again elsewhere, as another user would (other umask, locale, time zone, number of jobs), program and
#   packages have the same bytes; "make install" and "make uninstall" are tried there as well.
# - lintian finds nothing, warnings included.
# - inside.sh installs, upgrades, removes and purges it in a chroot, which mmdebstrap makes from
#   Debian's (Ubuntu's) archive for the release that this machine runs. As root, or as a user who may have
#   user namespaces. CHECK_DEB_MIRROR: another mirror.
#
# Takes three minutes where nothing else is going on, and ends after 30 at most. Everything is below one temporary directory, which is removed.
set -eu
cd "$(dirname "$0")/../.."

if [ -z "${CHECK_DEB_BOUNDED-}" ]; then
    exec env CHECK_DEB_BOUNDED=yes timeout --kill-after=60 1800 "$0"
fi

version=$(sed -n 's/^VERSION := //p' Makefile)
work=$(mktemp -d "${TMPDIR:-/tmp}/harpsweep-check-deb.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 143' HUP INT TERM
chmod 755 "$work"

fail() {
    echo "FAILED  $*"
    exit 1
}

# quietly COMMAND…: its output only where it fails.
quietly() {
    "$@" >"$work/log" 2>&1 || {
        cat "$work/log"
        fail "$*"
    }
}

# again COMMAND…: without what this `make` told its children, in an environment that a build must not see.
again() {
    env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS -u MAKEOVERRIDES TZ=Pacific/Kiritimati LC_ALL=C.UTF-8 \
        DEB_BUILD_OPTIONS='nocheck parallel=1' "$@"
}

package=$(ls build/deb/harpsweep_"$version"_*.deb)
quietly lintian --allow-root --fail-on error,warning build/deb/*.changes
echo "ok      lintian"

# The second build: from an archive of the sources, without git, further down, with another umask.
second=$work/second/build/of/the/same/sources
mkdir -p "$second"
{ if [ -e .git ]; then git ls-files; else find . -type f ! -path './build/*' ! -path ./bin/harpsweep; fi; } |
    tar -cf - -T - | tar -xf - -C "$second"
sed -n 's/.*"\(.*\)"/\1/p' build/commit.h >"$second/.commit"
(
    cd "$second"
    umask 077
    quietly again make -j1 bin/harpsweep
    quietly again make deb
)
cmp bin/harpsweep "$second/bin/harpsweep" || fail "the program differs when built elsewhere"
[ "$(bin/harpsweep --version)" = "$("$second/bin/harpsweep" --version)" ] || fail "the version differs"
count=0
for built in build/deb/*.deb; do
    cmp "$built" "$second/$built" || fail "${built##*/} differs when built elsewhere"
    count=$((count + 1))
done
[ $count = 2 ] || fail "$count packages were built, not the program's and its debug information's"
echo "ok      built twice: the same bytes"

# From source, below other directories; what is installed names these, and uninstall takes all of it away.
(
    cd "$second"
    set -- PREFIX=/opt/harpsweep SYSCONFDIR=/opt/etc "DESTDIR=$work/root"
    quietly again make install "$@"
    paths='/usr/local|/etc/harpsweep'
    if grep -rEIl "$paths" "$work/root" | xargs -r grep -EI "$paths" | grep -v -e /opt/etc/harpsweep -e share/doc/; then
        fail "make install: files name the paths of another installation"
    fi
    "$work/root/opt/harpsweep/bin/harpsweep" list 2>&1 | grep -q /opt/etc/harpsweep/harpsweep.ini ||
        fail "make install: the program looks for its settings elsewhere"
    [ -s "$work/root/opt/harpsweep/share/man/man7/harpsweep.7" ] || fail "make install: no manual pages"
    [ ! -e "$work/root/opt/etc" ] || fail "make install: wrote below SYSCONFDIR"
    quietly again make uninstall "$@"
    [ -z "$(find "$work/root" -type f)" ] || fail "make uninstall: left $(find "$work/root" -type f)"
)
echo "ok      make install, make uninstall"

# later NUMBER: the package with a higher version; from 2 on its settings file has a new line.
later() {
    dpkg-deb -R "$package" "$work/later"
    sed -i "s/^Version: .*/Version: $version+$1/" "$work/later/DEBIAN/control"
    if [ "$1" -gt 1 ]; then
        echo '; a line of the later version' >>"$work/later/etc/harpsweep/harpsweep.ini"
    fi
    quietly dpkg-deb --root-owner-group -b "$work/later" "$work/inside/later$1.deb"
    rm -rf "$work/later"
}
mkdir "$work/inside"
cp "$package" "$work/inside/harpsweep.deb"
later 1
later 2
cp tests/package/inside.sh "$work/inside/"

# shellcheck disable=SC1091 # of this machine
. /etc/os-release
case $ID in
ubuntu) components=main,universe ;;
*) components=main ;;
esac
# What an administrator has, and the package does not need: systemd (not running here), logrotate.
# shellcheck disable=SC2016 # $1 is the hook's: the directory of the chroot
mmdebstrap --quiet --mode=auto --variant=apt --components=$components --include=systemd,logrotate,adduser \
    --skip=cleanup/apt/lists --customize-hook="copy-in $work/inside /" \
    --customize-hook='chroot "$1" sh /inside/inside.sh' \
    "$VERSION_CODENAME" /dev/null ${CHECK_DEB_MIRROR:+"$CHECK_DEB_MIRROR"} >"$work/chroot.log" 2>&1 || {
    cat "$work/chroot.log"
    fail "in the chroot"
}
grep '^ok ' "$work/chroot.log" || fail "nothing was tried in the chroot"
grep -q '^all of it$' "$work/chroot.log" || fail "the tests in the chroot ended early"
