#!/bin/sh
# Runs a command in a tree: enter.sh ROOT COMMAND…
#
# To be called as root (or the root of a user namespace) in mount and PID namespaces of its own, as
# trees.py does: what is mounted and started here is gone with them.
set -eu
root=$1
shift
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
exec chroot "$root" /usr/bin/env -i HOME=/root LC_ALL=C.UTF-8 \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
