# Turns sql/queries/*.sql into a C header: `#define SQL_CLAIM "…"` for claim.sql, the text as it stands
# without lines that are only a comment or empty.

FNR == 1 {
    if (NR > 1)
        print ""
    else
        print "/* Generated from sql/queries by sql/embed.awk. */"
    name = FILENAME
    sub(/.*\//, "", name)
    sub(/\.sql$/, "", name)
    printf "#define SQL_%s", toupper(name)
}

/^[ \t]*(--.*)?$/ { next }

{
    gsub(/\\/, "&&")
    gsub(/"/, "\\\"")
    printf " \\\n    \"%s\\n\"", $0
}

END { print "" }
