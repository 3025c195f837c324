# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# bash's completion of gantryctl. There is no list of verbs or options here: both are read from what --help prints, of all verbs
# or of one.

# What the help says comes after a verb or an option: POD, FILE, a|b, or nothing.
_gantryctl_after() {
    gantryctl --help 2>/dev/null | word=$1 awk '
        function first(text) { sub(/[ ,].*/, "", text); print text }
        index($0, "  " ENVIRON["word"] " ") == 1 { first(substr($0, length(ENVIRON["word"]) + 4)) }
        /^  --[a-z-]* [^ ,]+, / && index($0, ", " ENVIRON["word"] " ") { sub(/^  --[a-z-]* /, ""); first($0) }'
}

# Pods by NAMESPACE/NAME and by NAME.
_gantryctl_pods() {
    timeout 2 gantryctl list 2>/dev/null | awk 'NR > 1 { print $1; sub(".*/", "", $1); print $1 }'
}

# Those that gantryctl run has started, by NAME: only they can be stopped.
_gantryctl_own_pods() {
    timeout 2 gantryctl --json list 2>/dev/null | awk -F '"' '$2 == "name" { name = $4 } $2 == "stopped" { print name }'
}

# _gantryctl_offer BEGINNING: those lines of standard input that begin so. Not by compgen -W, which would run what stands in
# a pod's name.
_gantryctl_offer() {
    local word
    while IFS= read -r word; do
        [[ $word != "$1"* ]] || COMPREPLY+=("$(printf %q "$word")")
    done
}

_gantryctl() {
    local current=$2 previous=$3 word='' verb='' what=''
    local -i i

    # bash has cut --option=value into three words.
    [ "$current" != = ] || current=''
    [ "$previous" != = ] || previous=${COMP_WORDS[COMP_CWORD - 2]}
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
        =) i+=1 ;;
        -*) [ "${COMP_WORDS[i + 1]}" = = ] || [ -z "$(_gantryctl_after "$word")" ] || i+=1 ;;
        *) [ -n "$verb" ] && what=nothing || verb=$word ;;
        esac
    done

    case $previous in -*) word=$(_gantryctl_after "$previous") ;; *) word='' ;; esac
    if [ -n "$word" ]; then
        what=$word
    elif [[ $current == -* ]]; then
        what=$(gantryctl ${verb:+"$verb"} --help 2>/dev/null | sed -n 's/^  \(--[a-z-]*\).*/\1/p')
    elif [ -z "$verb" ]; then
        what=$(gantryctl --help 2>/dev/null | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p')
    elif [ -z "$what" ]; then
        what=$(_gantryctl_after "$verb")
    fi

    COMPREPLY=()
    case $what in
    '' | nothing) ;;
    POD) _gantryctl_offer "$current" < <(_gantryctl_pods) ;;
    NAME) _gantryctl_offer "$current" < <(_gantryctl_own_pods) ;;
    *\|*) _gantryctl_offer "$current" <<<"${what//|/$'\n'}" ;;
    [[A-Z]*)
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        compopt -o filenames 2>/dev/null
        ;;
    *) _gantryctl_offer "$current" <<<"$what" ;;
    esac
}
complete -F _gantryctl gantryctl
