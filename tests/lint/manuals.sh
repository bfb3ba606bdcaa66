#!/bin/sh
# mandoc's lint of the manual pages: tests/lint/manuals.sh PAGE…
#
# Whether another package's page is installed says something about this machine, not about ours.
set -u
cd "$(dirname "$0")/../.." || exit 1
command -v mandoc >/dev/null || {
    echo "mandoc is missing"
    exit 1
}
[ $# -gt 0 ] || {
    echo "no manual page is given"
    exit 1
}
mandoc -T lint "$@" 2>/dev/null | grep -v 'referenced manual not found: Xr [a-z.]* [0-9]' && exit 1
exit 0
