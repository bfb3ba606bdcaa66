# shellcheck shell=bash
# bash completion of harpsweep: install as harpsweep in share/bash-completion/completions, or source it.
#
# Commands and options are those that the program's own help lists, so this file knows no more of
# them than how that help looks. Neither database nor settings are read.

_harpsweep() {
    local program=$1 word=$2 before=$3 help commands command='' i reply=''
    COMPREPLY=()

    # "--state=new" is three words to bash.
    if [[ $word == = ]]; then
        word='' before=${COMP_WORDS[COMP_CWORD - 1]}
    elif [[ $before == = ]]; then
        before=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    commands=$("$program" help 2>/dev/null | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z-]*\) .*/\1/p')
    for ((i = 1; i < COMP_CWORD; i++)); do
        if [[ -z $command ]] && grep -qxF -e "${COMP_WORDS[i]}" <<<"$commands"; then
            command=${COMP_WORDS[i]}
        fi
    done
    # shellcheck disable=SC2086 # no command: the help of all
    help=$("$program" help $command 2>/dev/null)

    case $before in
    -c | --config | --file | --output | --nextcloud | --key-file)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
        ;;
    --format) reply=$(sed -n 's/^ *--format FORMAT *\(.*\)/\1/p' <<<"$help" | sed 's/,/ /g; s/ or / /g') ;;
    --state)
        reply='open final new pending claimed removed untagged absent in_use kept cancelled failed unsupported no_ref'
        ;;
    --sort) reply='newest oldest due ended size state app daemon' ;;
    --event) reply='uninstall update manual adopted' ;;
    --*)
        # Another option that takes a value: nobody knows which.
        grep -q -e "^ .*$before [A-Z]" <<<"$help" && return
        ;;
    esac
    if [[ -z $reply && $word == -* ]]; then
        reply=$(sed -n 's/^ .* \(--[a-z-]*\) .*/\1/p' <<<"$help")
    elif [[ -z $reply && -z $command ]]; then
        reply=$commands
    elif [[ -z $reply && $command == help ]]; then
        reply="$commands settings"
    fi
    mapfile -t COMPREPLY < <(compgen -W "$reply" -- "$word")
}
complete -F _harpsweep harpsweep
