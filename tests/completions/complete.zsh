# SPDX-License-Identifier: Apache-2.0
#
# complete.zsh FOLDER LINE: what zsh would complete at the end of the line, a match a line.

zmodload zsh/zpty
zpty terminal zsh -f -i
send() { zpty -w terminal "$1" }
wait_for() { local text; zpty -r terminal text "*$1*" }

send "PROMPT= RPROMPT= fpath=($1 \$fpath); stty -echo"
send 'autoload -Uz compinit; compinit -u -D; bindkey "^I" complete-word'
# compadd tells what it would add. With -O, -A or -D it only computes, for functions of zsh.
send 'compadd() {
    if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then builtin compadd "$@"; return; fi
    local -a found; builtin compadd -A found "$@"
    for match in $found; do print -r -- "<${(Q)match}>"; done
    (( $#found ))
}'
send 'started() { print -r -- "<started>" }; finished() { print -r -- "<finished>"; exit }'
send 'compprefuncs=(started) comppostfuncs=(finished)'
send 'print -r -- "<re""ady>"'
wait_for '<ready>'
zpty -w -n terminal "$2"$'\t'
zpty -r terminal text '*<finished>*'
print -r -- "${text##*<started>}" | tr -d '\r' | sed -n 's/^<\(.*\)>$/\1/p' | grep -vx finished
