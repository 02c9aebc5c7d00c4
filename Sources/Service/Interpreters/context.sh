# SPDX-License-Identifier: Apache-2.0
# The side of a shell in a context: bash, and any POSIX shell. It is read from control, descriptor 0, like all that follows;
# 3 is the other direction of it, 8 the pieces' standard input, 9 their standard error.
#
# The shell believes that a person types: so an error or an interrupt ends what runs, and not the shell, which goes on with
# the next line. A piece is two lines: "berth_piece NUMBER LINES", which asks for the code and runs it, and
# "berth_ended NUMBER", which comes with the code and reports how it went, whatever became of the piece.
PS1='' PS2=''
unset HISTFILE
berth_last=0
# A piece can close what the shell has put aside of its descriptors meanwhile, or replace it. Then nothing can be heard or said
# any more: the shell ends in the way that context.py has for that.
if [ /proc/$$/fd/0 -ef /proc/$$/fd/3 ] && [ -S /proc/$$/fd/3 ]; then
    berth_whole() {
        [ /proc/$$/fd/0 -ef /proc/$$/fd/3 ] && [ -S /proc/$$/fd/3 ] && [ -p /proc/$$/fd/8 ] && [ -e /proc/$$/fd/9 ]
    }
else
    berth_whole() { command : <&0 >&3; }
fi
berth_check() {
    berth_whole && return
    trap - 16
    command kill -16 $$
}
berth_again() { return "$1"; }
berth_run() {
    set --
    berth_again "$berth_last"
    eval "$berth_now" <&8 2>&9 3>&- 8<&- 9>&-
    set -- "$?"
    berth_check
    return "$1"
}
berth_piece() {
    printf 'g0\n' >&3
    set -- "$2" ''
    while [ "$1" -gt 0 ]; do
        IFS= read -r berth_code || break
        set -- "$(($1 - 1))" "$2$berth_code
"
    done
    berth_code=$2 berth_status=
    berth_now=$berth_code
    if [ -z "${BASH_VERSION:-}" ]; then
        berth_run
        return
    fi
    # Bash runs this before it reads the next line: then it has nothing to say of jobs and terminals, and what is declared
    # is not a function's own. Whatever ends a piece, it is not run again.
    PROMPT_COMMAND='if [ -n "$berth_code" ]; then
        berth_code=
        berth_again "$berth_last"
        eval "$berth_now" <&8 2>&9 3>&- 8<&- 9>&-
        berth_status=$?
        berth_check
    fi'
}
berth_ended() {
    berth_last=$?
    berth_check
    berth_last=${berth_status:-$berth_last}
    berth_code="$1 $berth_last"
    printf 'e%d\n%s' "${#berth_code}" "$berth_code" >&3
    berth_code=
}
berth_code=${BASH_VERSION:-}
printf 'r%d\n%s' "${#berth_code}" "$berth_code" >&3
berth_code=
