# fish completion of harpsweep: install in share/fish/vendor_completions.d.
#
# Commands and options are those that the program's own help lists, so this file knows no more of
# them than how that help looks. Neither database nor settings are read.

set -l commands (harpsweep help 2>/dev/null | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z-]*\) .*/\1/p')

complete -c harpsweep -f
set -l everywhere

for line in (harpsweep help 2>/dev/null | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z-]*\)  *\(.*\)/\1\t\2/p')
    set -l part (string split -m 1 \t -- $line)
    complete -c harpsweep -n "not __fish_seen_subcommand_from $commands" -a $part[1] -d $part[2]
    complete -c harpsweep -n '__fish_seen_subcommand_from help' -a $part[1] -d $part[2]
end
complete -c harpsweep -n '__fish_seen_subcommand_from help' -a settings -d 'what may stand in the settings'

# Each option with its letter, what it takes, and what it is for; those of all commands come first.
for command in '' $commands
    for line in (harpsweep help (string split -n ' ' -- $command) 2>/dev/null | sed -n 's/^  \(-\([a-zA-Z]\),\|   \) --\([a-z-]*\)\( \([A-Z]*\)\)\{0,1\}  *\(.*\)/\2\t\3\t\5\t\6/p')
        set -l part (string split \t -- $line)
        set -l about -l $part[2] -d $part[4]
        test -n "$command"; and contains -- $part[2] $everywhere; and continue
        if test -z "$command"
            set -a everywhere $part[2]
        else
            set -a about -n "__fish_seen_subcommand_from $command"
        end
        test -n "$part[1]"; and set -a about -s $part[1]
        switch $part[2]
            case config file output nextcloud key-file
                set -a about -r -F
            case format
                set -a about -x -a (string replace -ra ',| or ' ' ' -- $part[4])
            case state
                set -a about -x -a 'open final new pending claimed removed untagged absent in_use kept cancelled failed unsupported no_ref'
            case sort
                set -a about -x -a 'newest oldest due ended size state app daemon'
            case event
                set -a about -x -a 'uninstall update manual adopted'
            case '*'
                test -n "$part[3]"; and set -a about -x
        end
        complete -c harpsweep $about
    end
end
