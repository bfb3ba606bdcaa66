#!/bin/sh
# In the chroot that check.sh makes: the life of the package, from its installation to its purge.
set -eu
cd /inside
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

fail() {
    echo "FAILED  $*"
    exit 1
}

ok() {
    echo "ok      $*"
}

# same NAME EXPECTED ACTUAL
same() {
    [ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"
}

owner_and_mode() {
    stat -c '%U:%G %a' "$1"
}

# Every file of the system but what changes by itself, and its users.
snapshot() {
    find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /inside -o -path /var/lib/apt \
        -o -path /var/cache -o -path /var/log/apt -o -path /var/lib/dpkg \) -prune -o -print | sort
    cat /etc/passwd /etc/group /etc/shadow /etc/gshadow
    find /var/lib/dpkg -name 'harpsweep*'
}

# exits CODE COMMAND…: and leaves what it said in ./said.
exits() {
    expected=$1
    shift
    code=0
    "$@" >said 2>&1 </dev/null || code=$?
    if [ "$code" != "$expected" ]; then
        cat said
        fail "$*: exit code $code, not $expected"
    fi
}

as_harpsweep() {
    runuser -u harpsweep -- "$@"
}

# Installed without questions: one would end it, for nobody answers.
install_package() {
    apt-get -q -y -o Dpkg::Use-Pty=0 --no-install-recommends "$@" </dev/null >log 2>&1 || {
        cat log
        fail "apt-get $*"
    }
}

# Backups of the user database, and what the first start of these programs leaves, are there from the start.
adduser --quiet --system --group --no-create-home --home /nonexistent before
deluser --quiet --system before
logrotate /etc/logrotate.conf
snapshot >before

# ---------------------------------------------------------------------- installed

install_package install ./harpsweep.deb
grep -q 'harpsweep check$' log || fail "nobody is told what comes next"
exits 0 harpsweep --version
grep -Eq '^libpq [0-9.]+, libcurl [0-9.]+, jansson [0-9.]+, inih [0-9]+$' said || {
    cat said
    fail "a library is missing"
}
grep -Eq '^harpsweep [0-9.]+ \(commit (unknown|[0-9a-f]{12}(-modified)?), schema version [0-9]+\)$' said || fail "no commit"
exits 0 harpsweep help
ok "installed, and runs with what the package depends on"

same "the user's shell and home" "/nonexistent:/usr/sbin/nologin" "$(getent passwd harpsweep | cut -d: -f6,7)"
same /etc/harpsweep "root:harpsweep 750" "$(owner_and_mode /etc/harpsweep)"
same harpsweep.ini "root:harpsweep 640" "$(owner_and_mode /etc/harpsweep/harpsweep.ini)"
same /var/log/harpsweep "harpsweep:adm 750" "$(owner_and_mode /var/log/harpsweep)"
exits 1 runuser -u nobody -- cat /etc/harpsweep/harpsweep.ini
ok "user and modes"

exits 78 as_harpsweep harpsweep check
grep -q /etc/harpsweep/harp.key said || fail "check does not name the missing key"
install -m 600 -o harpsweep -g harpsweep /dev/null /etc/harpsweep/harp.key
echo a-shared-key >/etc/harpsweep/harp.key
exits 69 as_harpsweep harpsweep check
grep -q "database" said || fail "check does not name the database"
ok "check: 78 without the key, 69 without a database"

for file in /usr/share/harpsweep/sql/install.sql /usr/share/harpsweep/sql/uninstall.sql /usr/share/man/man1/harpsweep.1.gz \
    /usr/share/man/man5/harpsweep.ini.5.gz /usr/share/man/man7/harpsweep.7.gz /usr/share/doc/harpsweep/README.md \
    /usr/share/zsh/vendor-completions/_harpsweep /usr/share/fish/vendor_completions.d/harpsweep.fish; do
    [ -s $file ] || fail "$file is missing"
done
exits 0 bash -c '. /usr/share/bash-completion/completions/harpsweep && complete -p harpsweep'
exits 1 grep -rlI /usr/local/ /etc/harpsweep /etc/cron.d/harpsweep /etc/logrotate.d/harpsweep /usr/share/harpsweep \
    /lib/systemd/system/harpsweep.service /lib/systemd/system/harpsweep.timer
exits 1 zgrep -l /usr/local/ /usr/share/man/man1/harpsweep.1.gz /usr/share/man/man5/harpsweep.ini.5.gz \
    /usr/share/man/man7/harpsweep.7.gz
ok "files, which name the package's own paths"

# ---------------------------------------------------------------------- who starts runs

exits 1 systemctl is-enabled harpsweep.timer
same "the timer" disabled "$(cat said)"
exits 1 grep -q '^[^#].* run' /etc/cron.d/harpsweep
systemctl enable harpsweep.timer >/dev/null 2>&1
exits 0 systemctl is-enabled harpsweep.timer
exits 0 systemd-analyze verify harpsweep.service harpsweep.timer
same "what systemd says of the units" "" "$(grep -v -e '^Failed to' -e 'man:' said || true)"

sed -i 's/^#\(\* .* run\)$/\1/' /etc/cron.d/harpsweep
line=$(sed -n 's/^\* \* \* \* \* harpsweep //p' /etc/cron.d/harpsweep)
[ -n "$line" ] || fail "cron has no line to take the # off"
# A systemctl that says what the timer is, by its exit code, in place of a systemd that runs.
mkdir -p bin
# cron_line CODE RUNS_SYSTEMD: the exit code and the output of cron's line there.
cron_line() {
    printf '#!/bin/sh\n[ "$*" = "-q is-active harpsweep.timer" ] || exit 99\nexit %s\n' "$1" >bin/systemctl
    chmod 755 bin/systemctl
    rm -rf /run/systemd/system
    [ "$2" = no ] || mkdir -p /run/systemd/system
    code=0
    runuser -u harpsweep -- env PATH="/inside/bin:$PATH" sh -c "$line" >said 2>&1 || code=$?
    rm -rf /run/systemd/system
}
cron_line 0 yes
same "cron's line beside an active timer" "0 " "$code $(cat said)"
cron_line 3 yes
same "cron's line beside an inactive timer" 69 "$code"
cron_line 0 no
same "cron's line without systemd" 69 "$code"
ok "runs are nobody's at first; then the timer's, or cron's"

echo 'a line' >/var/log/harpsweep/run.log
chown harpsweep:harpsweep /var/log/harpsweep/run.log
exits 0 logrotate -f /etc/logrotate.d/harpsweep
same "what logrotate leaves" "run.log.1" "$(ls /var/log/harpsweep)"
ok "logrotate"

# ---------------------------------------------------------------------- upgraded

# Changed by the administrator, and not by the package; then by both.
sed -i 's/^;grace_hours = 24/grace_hours = 48/' /etc/harpsweep/harpsweep.ini
chmod 600 /etc/harpsweep/harpsweep.ini
chown harpsweep: /etc/harpsweep/harpsweep.ini
chown harpsweep /etc/harpsweep
chmod 500 /etc/harpsweep
cp -p /etc/harpsweep/harpsweep.ini /etc/cron.d/harpsweep .
install_package install ./later1.deb
same "the version after an upgrade" "+1" "$(dpkg-query -W -f '${Version}' harpsweep | sed 's/.*+/+/')"
exits 1 grep 'harpsweep check$' log
cmp harpsweep.ini /etc/harpsweep/harpsweep.ini || fail "an upgrade changed the settings"
install_package -o Dpkg::Options::=--force-confold install ./later2.deb
cmp harpsweep.ini /etc/harpsweep/harpsweep.ini || fail "an upgrade with new settings changed the settings"
[ -e /etc/harpsweep/harpsweep.ini.dpkg-dist ] || fail "the new settings are not beside the old ones"
cmp harpsweep /etc/cron.d/harpsweep || fail "an upgrade changed cron's file"
same "the settings after two upgrades" "harpsweep:harpsweep 600" "$(owner_and_mode /etc/harpsweep/harpsweep.ini)"
same "their directory" "harpsweep:harpsweep 500" "$(owner_and_mode /etc/harpsweep)"
exits 0 systemctl is-enabled harpsweep.timer
exits 0 as_harpsweep cat /etc/harpsweep/harp.key
same "the key" a-shared-key "$(cat said)"
ok "upgraded: settings, key, cron's file, modes and the timer as they were"

# ---------------------------------------------------------------------- removed, installed again

install_package remove harpsweep
[ ! -e /usr/bin/harpsweep ] || fail "the program is there after its removal"
cmp harpsweep.ini /etc/harpsweep/harpsweep.ini || fail "a removal takes the settings away"
same "the key after a removal" a-shared-key "$(cat /etc/harpsweep/harp.key)"
cron_line 3 yes
same "cron's line after a removal" "0 " "$code $(cat said)"
install_package -o Dpkg::Options::=--force-confold install ./later2.deb
cmp harpsweep.ini /etc/harpsweep/harpsweep.ini || fail "installed again, the settings are not the old ones"
same "their mode" "harpsweep:harpsweep 600" "$(owner_and_mode /etc/harpsweep/harpsweep.ini)"
ok "removed and installed again: the settings stay, and nobody is told of a missing program every minute"

# ---------------------------------------------------------------------- purged

touch /etc/harpsweep/another.key /var/log/harpsweep/run.log
install_package purge harpsweep
install_package autoremove --purge
snapshot >after
diff before after || fail "purged, and something is left (>) or gone (<)"
ok "purged: nothing is left"

# Settings that nobody changed: those of the later version, with the modes of before.
install_package install ./harpsweep.deb
install_package install ./later2.deb
grep -q 'a line of the later version' /etc/harpsweep/harpsweep.ini || fail "unchanged settings are not upgraded"
same "unchanged settings after an upgrade" "root:harpsweep 640" "$(owner_and_mode /etc/harpsweep/harpsweep.ini)"
install_package purge harpsweep
install_package autoremove --purge
snapshot >after
diff before after || fail "purged again, and something is left (>) or gone (<)"
ok "upgraded with settings that nobody changed"
echo "all of it"
