#!/bin/sh
# Runs cmocka programs, each as `$RUNNER PROGRAM`, and adds up what they say: their own totals, then
# one line `unit: N passed, N failed`. A program that dies or does not say how many tests it had is
# a failure, and so is running nothing.
set -u
passed=0 failed=0
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT

for program in "$@"; do
    # shellcheck disable=SC2086 # $RUNNER is a command with options
    ${RUNNER-} "$program" >"$log" 2>&1
    status=$?
    good=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p' "$log" | tail -n 1)
    bad=$(sed -n 's,^\[  FAILED  \].*[^0-9]\([0-9]*\) test(s)\, listed below.*,\1,p' "$log" | tail -n 1)
    ran=$(sed -n 's,^\[==========\].*[^0-9]\([0-9]*\) test(s) run\..*,\1,p' "$log" | tail -n 1)
    good=${good:-0} bad=${bad:-0}
    if [ "${ran:-0}" = 0 ] || { [ $status != 0 ] && [ "$bad" = 0 ]; }; then
        bad=$((bad + 1))
        echo "exit status $status, ${ran:-no} tests run" >>"$log"
    fi
    passed=$((passed + good)) failed=$((failed + bad))
    if [ "$bad" = 0 ]; then
        printf '%-32s %s passed\n' "$(basename "$program")" "$good"
    else
        printf '%-32s %s passed, %s failed\n' "$(basename "$program")" "$good" "$bad"
        cat "$log"
    fi
done
echo "unit: $passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
