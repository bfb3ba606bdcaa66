#!/bin/sh
# Holds the shape of src/: tests/lint/layers.sh SOURCE…, the sources as the Makefile lists them.
#
# - five layers, a file includes lower layers only (or its own noun's headers; conf_x.c and conf.h
#   are one noun); within layer 0 anything goes, in layer 4 everybody may include cli.h
# - each third-party header in exactly one .c; libcurl's in http_*.c
# - no function that has a safer relative; memory only through mem.h
# - at most 400 lines to a file, 60 to a function
# - each header stands on its own, behind its guard; each source is listed in the Makefile
set -u
cd "$(dirname "$0")/../.." || exit 1
problems=$(mktemp) || exit 1
trap 'rm -f "$problems"' EXIT

for file in src/*.c; do
    case " $* " in
    *" $file "*) ;;
    *) echo "$file: not in SOURCES of the Makefile" ;;
    esac
done >"$problems"

awk '
function noun(file) {
    sub(/.*\//, "", file)
    sub(/\.[ch]$/, "", file)
    sub(/_.*/, "", file)
    return file
}
function say(text) { print FILENAME ":" FNR ": " text }
BEGIN {
    split("main cli cmd", names); for (i in names) layer[names[i]] = 4
    split("sweep report probe survey fleet", names3); for (i in names3) layer[names3[i]] = 3
    split("jobs ledger gateway verdict lane roster nextcloud", names2); for (i in names2) layer[names2[i]] = 2
    split("conf db http reply phpconf", names1); for (i in names1) layer[names1[i]] = 1
    split("err log mem buf clock sig imageref backoff json csv html metrics share printable screen table color sqlstate keyfile fdio", names0); for (i in names0) layer[names0[i]] = 0
    layer["phpconf"] = 1.5 # writes connection strings, as db reads them
    layer["verdict"] = 1.5 # pure, and jobs and gateway speak of verdicts
    layer["lane"] = layer["roster"] = 2.5 # stand between these two and whoever asks daemons
    split("libpq-fe.h curl/curl.h jansson.h ini.h", third)
    for (i in third) { third_party[third[i]] = 1; users[third[i]] = 0 }
    banned = "(strcpy|strcat|stpcpy|sprintf|vsprintf|strtok|atoi|atol|atoll|atof|gets|system|popen|alloca)"
    memory = "(malloc|calloc|realloc|reallocarray|free|strdup|strndup|asprintf|vasprintf)"
}
FNR == 1 {
    me = noun(FILENAME)
    in_comment = 0; in_function = 0
    if (!(me in layer)) { layer[me] = 9; say("in no layer: add it to tests/lint/layers.sh") }
}
FNR == 401 { say("more than 400 lines") }
/^#include "/ {
    header = $2; gsub(/"/, "", header)
    other = noun(header)
    if (header == "queries.h") { if (layer[me] != 2) say("the queries belong to layer 2"); next }
    if (!(other in layer)) next
    if (other != me && layer[other] >= layer[me] && layer[me] > 0 && header != "cli.h")
        say("layer " layer[me] " includes " header " of layer " layer[other])
    if (header == "cli.h" && layer[me] < 4) say("cli.h belongs to layer 4")
    next
}
/^#include </ {
    header = $2; gsub(/[<>]/, "", header)
    if (header in third_party) {
        if (FILENAME ~ /^src\/http_/ && header == "curl/curl.h") next
        if (FILENAME ~ /^src\/db[_.]/ && header == "libpq-fe.h") next
        users[header]++
        if (FILENAME ~ /\.h$/) say(header " in a header")
        if (users[header] > 1) say(header " is included by another file already")
    }
    next
}
/^extern / { say("a variable for everybody") }
/^[a-z_][A-Za-z0-9_]*\(/ { in_function = FNR }
/^}/ {
    if (in_function && FNR - in_function + 1 > 60) say("a function of " FNR - in_function + 1 " lines")
    in_function = 0
}
{
    line = $0
    gsub(/\\"/, "", line); gsub(/"[^"]*"/, "\"\"", line); gsub(/\/\*.*\*\//, "", line)
    if (line ~ /\/\*/) { in_comment = 1; sub(/\/\*.*/, "", line) }
    if (line ~ /\*\//) { in_comment = 0; sub(/.*\*\//, "", line) }
    else if (in_comment && $0 !~ /\/\*/) line = ""
    if (line ~ "(^|[^A-Za-z0-9_])" banned "[ ]*\\(") say("a function that has a safer relative")
    if (me != "mem" && line ~ "(^|[^A-Za-z0-9_])" memory "[ ]*\\(") say("memory not through mem.h")
}
' src/*.c src/*.h >>"$problems"

for header in src/*.h; do
    guard=HARPSWEEP_$(basename "$header" .h | tr '[:lower:]' '[:upper:]')_H
    grep -q "^#define $guard\$" "$header" || echo "$header: no guard $guard"
    printf '#include "%s"\n' "${header#src/}" |
        ${CC:-cc} -std=c11 -D_POSIX_C_SOURCE=200809L -Isrc -Wall -Werror -fsyntax-only -x c - 2>&1 ||
        echo "$header: does not stand on its own"
done >>"$problems"

if [ -s "$problems" ]; then
    cat "$problems"
    exit 1
fi
