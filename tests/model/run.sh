#!/bin/sh
# Searches the models of a job, job.pml, and of the alarm, alarm.pml, with spin:
#
#   tests/model/run.sh                   everything below
#   tests/model/run.sh --smoke           a few seconds' worth of it, for bin/check
#   tests/model/run.sh --long            and bigger searches: eleven minutes of a processor more, 6 GB
#   tests/model/run.sh --story NO_X      the shortest counterexample of that case, step by step
#
#   sound   Everything that can happen, with all guards in place: no invariant is ever broken, the
#           search was complete, and every statement of the model was reached.
#   guard   A guard is removed (-DNO_…): the invariant beside it must be broken; the others are not
#           looked at. This is what each guard is for, and what shows that each invariant can fail.
#   spare   A guard is removed and nothing breaks: another one does its work as well.
#   known   A limit of the protocol: it must lead to a counterexample. See job.pml for what each is.
#
# -DALARM says that it is about alarm.pml.
#
# One line per case, "model: N passed, N failed" at the end; exits 1 where anything is not as it should be.
# Needs spin and a C compiler, two processors for three minutes, 4 GB of memory; --smoke 1 GB.
set -u
models=$(cd "$(dirname "$0")" && pwd)

for tool in spin:spin cc:gcc; do
    if ! command -v "${tool%:*}" >/dev/null; then
        echo "tests/model/run.sh: ${tool%:*} is missing: apt-get install ${tool#*:}" >&2
        exit 1
    fi
done

invariants='starts_on_its_claim spares_the_ended starts_informed starts_within_lease starts_after_grace
    starts_alone records_its_claim records_the_truth grants_wishes tells_the_late loses_no_row hears_of_the_job'

# Kind, invariant that is looked at (all; none: only what the case itself asserts), switches.
sound_cases() {
    cat <<'END'
sound all -DRUNS=3 -DLEASE=3
sound all -DRUNS=3 -DNO_FAILOVER
sound all -DRUNS=2
sound all -DRUNS=3 -DATTEMPTS=2 -DNO_FAILOVER
sound all -DALARM
END
}

long_cases() {
    cat <<'END'
sound all -DRUNS=3
sound all -DRUNS=4 -DNO_FAILOVER
sound all -DRUNS=2 -DLEASE=7 -DHTTP=3
sound all -DRUNS=2 -DATTEMPTS=2
spare all -DMERGE_RESETS_ATTEMPTS -DATTEMPTS=2 -DLEASE=3
spare all -DNO_ATTEMPT_CHECK -DNO_CONFIRM_ATTEMPT -DATTEMPTS=2 -DLEASE=3
END
}

# A small search with all that can happen in it, and what was found by a search and mended.
smoke_cases() {
    echo 'sound all -DRUNS=2 -DLEASE=3'
    echo 'sound all -DALARM -DSETTERS=1'
    other_cases | grep -e '^guard records_its_claim -DTOKEN_OF_RUN -DATTEMPTS=2$' -e ' -DNO_TOKEN_CLEARED ' \
        -e ' -DUNSUPPORTED_BEFORE_WISH ' -e ' -DRECONNECT_AFTER_LOOK ' -e ' starts_within_lease -DNO_SEND_BY ' -e ' -DTWO_SNAPSHOTS$'
}

other_cases() {
    cat <<'END'
guard records_its_claim -DTOKEN_OF_RUN -DATTEMPTS=2
guard starts_informed -DTOKEN_OF_RUN -DATTEMPTS=2
guard records_its_claim -DTOKEN_OF_RUN -DNO_ATTEMPT_CHECK -DATTEMPTS=2 -DNO_FAILOVER
guard records_its_claim -DTOKEN_OF_RUN -DMERGE_RESETS_ATTEMPTS -DATTEMPTS=2 -DNO_FAILOVER
spare all -DMERGE_RESETS_ATTEMPTS -DATTEMPTS=2 -DNO_FAILOVER
spare all -DNO_ATTEMPT_CHECK -DNO_CONFIRM_ATTEMPT -DATTEMPTS=2 -DNO_FAILOVER
guard records_its_claim -DNO_TOKEN_CHECK -DATTEMPTS=2
guard records_its_claim -DNO_TOKEN_CHECK -DNO_ATTEMPT_CHECK -DATTEMPTS=2 -DNO_FAILOVER
guard records_its_claim -DNO_STATE_CHECK -DNO_FAILOVER
guard tells_the_late -DNO_TOKEN_CLEARED -DNO_FAILOVER
guard records_the_truth -DSILENCE_IS_DONE -DNO_FAILOVER
guard records_the_truth -DWISH_BEFORE_GONE -DNO_FAILOVER
guard grants_wishes -DUNSUPPORTED_BEFORE_WISH -DNO_FAILOVER
guard grants_wishes -DNO_WISH_IN_RECORD -DNO_FAILOVER
guard grants_wishes -DNO_WISH_IN_CLAIM -DNO_FAILOVER
guard spares_the_ended -DNO_END_WANTED -DNO_FAILOVER
guard loses_no_row -DNO_NEXT_AT -DNO_FAILOVER
guard starts_informed -DNO_CONFIRM -DNO_FAILOVER
guard starts_informed -DNO_CONFIRM_WISH -DNO_FAILOVER
guard starts_informed -DNO_CONFIRM_TOKEN -DATTEMPTS=2
guard starts_informed -DNO_CONFIRM_TOKEN -DNO_CONFIRM_ATTEMPT -DATTEMPTS=2 -DNO_FAILOVER
spare all -DNO_CONFIRM_STATE -DLEASE=3
guard starts_informed -DCLOCK_AFTER_CONFIRM -DNO_FAILOVER
guard starts_informed -DRECONNECT_AFTER_LOOK -DNO_FAILOVER
guard starts_within_lease -DNO_SEND_BY -DNO_FAILOVER
guard starts_alone -DNO_SEND_BY -DNO_FAILOVER
spare all -DNO_START_BY -DLEASE=3
guard starts_within_lease -DSTART_BY_WITHOUT_HTTP -DNO_FAILOVER
guard starts_alone -DSTART_BY_WITHOUT_HTTP -DNO_FAILOVER
guard starts_within_lease -DCLOCK_AFTER_CLAIM -DNO_FAILOVER
guard starts_within_lease -DCLOCK_STOPS -DNO_FAILOVER
guard starts_on_its_claim -DNO_COMMIT_WAIT -DNO_FAILOVER
guard starts_within_lease -DNO_LEASE_IN_CLAIM -DNO_FAILOVER
guard starts_alone -DNO_LEASE_IN_CLAIM -DNO_FAILOVER
guard starts_on_its_claim -DNO_DUE_CHECK -DNO_FAILOVER
guard starts_alone -DNO_DUE_CHECK -DNO_FAILOVER
spare all -DNO_NOT_BEFORE -DLEASE=3
spare all -DNO_DUE_AT_GRACE -DLEASE=3
guard starts_after_grace -DNO_NOT_BEFORE -DNO_DUE_AT_GRACE -DNO_FAILOVER
spare all -DNO_GREATEST -DLEASE=3
guard records_the_truth -DNO_MERGE_VOID -DNO_FAILOVER
guard starts_on_its_claim -DNO_BUSY_CHECK -DNO_FAILOVER
guard starts_alone -DNO_BUSY_CHECK -DNO_FAILOVER
guard hears_of_the_job -DALARM -DNO_ALARM
guard hears_of_the_job -DALARM -DALARM_BY_ITSELF
guard hears_of_the_job -DALARM -DTWO_SNAPSHOTS
guard hears_of_the_job -DALARM -DCLAIMS_EARLY
spare all -DALARM -DSKIPS_LOCKED
known spares_the_ended -DFOUND_ENDED_AFTER_SCHEDULE -DNO_FAILOVER
known spares_the_ended -DFOUND_ENDED_AFTER_FAILOVER
known none -DFOUND_ENDED_IMAGE_GONE -DNO_FAILOVER
END
}

model_of() {
    case " $* " in
    *' -DALARM '*) echo alarm ;;
    *) echo job ;;
    esac
}

# build INVARIANT COMPILER-OPTIONS SWITCH…: makes ./pan, which searches, and ./flags.
build() {
    looked_at=$1 options=$2
    shift 2
    flags=$*
    for name in $invariants; do
        [ "$looked_at" = all ] || [ "$looked_at" = "$name" ] || flags="$flags -D$name=1"
    done
    model=$models/$(model_of "$@").pml
    # shellcheck disable=SC2086 # lists of words
    spin -a $flags "$model" >log 2>&1 && [ -f pan.c ] &&
        cc -w -DSAFETY -DNOREDUCE -DMEMLIM=5000 $options -o pan pan.c >>log 2>&1
}

# What pan says of its search: how many states, how deep.
states() {
    sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' log
}

depth() {
    sed -n 's/.*depth reached \([0-9]*\),.*/\1/p' log
}

# A search that was complete, without an error, and left no statement out.
is_clean() {
    grep -q 'errors: 0$' log && ! grep -q 'Search not completed\|max search depth too small' log
}

is_all_reached() {
    ! grep '^	.*, state [0-9]*, ' log | grep -v '"-end-"$' | grep -q .
}

is_violated() {
    grep -q 'assertion violated' log && grep -q 'errors: 1$' log
}

# Deeper than any search that is to be complete goes; all of it is memory from the beginning.
enough() {
    case $* in
    *-DRUNS=[34]*) echo 25000000 ;;
    *) echo 6000000 ;;
    esac
}

# one_case KIND INVARIANT SWITCH…: searches, and prints one line.
one_case() {
    kind=$1 invariant=$2
    shift 2
    directory=$(mktemp -d "$scratch/XXXXXX") && cd "$directory" || exit 1
    began=$(date +%s)
    case $kind in
    sound | spare) deepest=$(enough "$@") && build "$invariant" -O2 "$@" ;;
    *) deepest=100000 && build "$invariant" -O0 -DUNSORTED "$@" ;;
    esac && timeout 3600 ./pan -m"$deepest" -w23 >>log 2>&1
    verdict=FAILED
    case $kind in
    sound)
        wanted='nothing is broken, everything reached'
        is_clean && is_all_reached && verdict=ok
        ;;
    spare)
        wanted='nothing is broken'
        is_clean && verdict=ok
        ;;
    *)
        wanted="$(echo "$invariant" | sed 's/none/what it asserts/') is broken"
        is_violated && verdict=ok
        ;;
    esac
    printf '%-7s%-7s%-48s %s: %s states, depth %s, %s s\n' "$verdict" "$kind" "$(echo "$*" | sed 's/-D//g')" \
        "$wanted" "$(states)" "$(depth)" $(($(date +%s) - began))
    [ "$verdict" = ok ] || sed 's/^/        /' log
}

# story SWITCH INVARIANT SWITCHES: the shortest way to the counterexample.
story() {
    directory=$(mktemp -d "$scratch/XXXXXX") && cd "$directory" || exit 1
    invariant=$2
    shift 2
    build "$invariant" '-O1 -DBFS' -DSTORY -DUNSORTED "$@" && ./pan -m100000 -w22 >>log 2>&1
    trail=$(model_of "$@").pml.trail
    if [ ! -f "$trail" ]; then
        cat log
        exit 1
    fi
    # shellcheck disable=SC2086 # a list of words
    spin -T -k "$trail" $flags "$model" | grep -v '^	\|^#\|^spin:\|^ *[0-9]*:	\|processes created$'
    [ "$invariant" = none ] || echo "--- $invariant is broken"
}

if [ "${1-}" = --case ]; then
    shift
    one_case "$@"
    exit 0
fi

scratch=$(mktemp -d) || exit 1
export scratch
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' HUP INT TERM

case $#${1+" $1"} in
0) what='sound_cases; other_cases' ;;
'1 --smoke') what='smoke_cases' ;;
'1 --long') what='long_cases; sound_cases; other_cases' ;;
'2 --story')
    line=$(other_cases | grep "^\(guard\|known\) [a-z_]* \(-DALARM \)\?-D$2\( \|\$\)" | head -n 1)
    if [ -z "$line" ]; then
        echo "no such guard, nor anything that is known: $2" >&2
        exit 64
    fi
    # shellcheck disable=SC2086 # a list of words
    story $line
    exit
    ;;
*)
    echo "usage: tests/model/run.sh [--smoke | --long | --story NAME]" >&2
    exit 64
    ;;
esac

# Two at once, the longest first.
eval "$what" | xargs -L 1 -P 2 "$0" --case | tee "$scratch/results"
passed=$(grep -c '^ok ' "$scratch/results")
failed=$(grep -c '^FAILED ' "$scratch/results")
missing=$(($(eval "$what" | wc -l) - passed - failed))
[ $missing = 0 ] || echo "$missing cases were not run"
echo "model: $passed passed, $((failed + missing)) failed"
[ $((failed + missing)) = 0 ] && [ "$passed" -gt 0 ]
