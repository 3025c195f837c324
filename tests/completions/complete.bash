# SPDX-License-Identifier: Apache-2.0
#
# complete.bash FILE LINE: what bash would complete at the end of the line, a match a line.

. "$1"
# As readline cuts a line: at blanks and "=", which is a word.
read -ra COMP_WORDS <<<"${2//=/ = }"
case $2 in *[\ =]) [[ $2 == *= ]] || COMP_WORDS+=('') ;; esac
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
function=$(complete -p gantryctl | sed 's/.*-F \([^ ]*\).*/\1/')
"$function" gantryctl "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
[ ${#COMPREPLY[@]} = 0 ] || printf '%s\n' "${COMPREPLY[@]}"
