"""``actlab completion``: tab completion of overrides, through Hydra's own query."""

from __future__ import annotations

from actlab.errors import InputError, suggest

BASH = """\
_actlab_complete() {
  local words=("${COMP_WORDS[@]}")
  if [ "$COMP_CWORD" -le 1 ]; then
    local commands="train report diagnose compare explain inspect query show theory gallery list completion"
    COMPREPLY=($(compgen -W "$commands" -- "${COMP_WORDS[1]}"))
  elif [ "${COMP_WORDS[1]}" = explain ] && [ "$COMP_CWORD" = 2 ]; then
    COMPREPLY=($(compgen -W "boundary neuron network probe choose" -- "${COMP_WORDS[2]}"))
  elif [ "${COMP_WORDS[1]}" = train ]; then
    COMPREPLY=($(COMP_LINE="${COMP_LINE/ train / }" COMP_POINT=$((COMP_POINT - 6)) \
      actlab train -sc query=bash 2>/dev/null))
    [[ ${COMPREPLY[0]} == *= || ${COMPREPLY[0]} == *. ]] && compopt -o nospace
  elif [ "${COMP_WORDS[1]}" = diagnose ] && [[ "$COMP_LINE" == *" --at-init "* ]]; then
    local line="${COMP_LINE/ diagnose / }"
    line="${line/ --at-init / }"
    COMPREPLY=($(COMP_LINE="$line" COMP_POINT=${#line} actlab train -sc query=bash 2>/dev/null))
    [[ ${COMPREPLY[0]} == *= || ${COMPREPLY[0]} == *. ]] && compopt -o nospace
  fi
}
COMP_WORDBREAKS=${COMP_WORDBREAKS//=}
complete -o default -F _actlab_complete actlab
"""
SHELLS = {"bash": BASH, "zsh": "autoload -U +X bashcompinit && bashcompinit\n" + BASH}


def main(argv: list[str]) -> int:
    """Run ``actlab completion``; return its exit code."""
    if argv in (["-h"], ["--help"]):
        print(
            'usage: actlab completion bash|zsh      put  eval "$(actlab completion bash)"  into your ~/.bashrc'
        )
        return 0
    shell = argv[0] if len(argv) == 1 else ""
    if shell not in SHELLS:
        raise InputError(f"no completion for shell {shell!r}{suggest(shell, SHELLS)}")
    print(SHELLS[shell], end="")
    return 0
