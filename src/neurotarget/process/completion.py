"""Shell completion: a script for bash, which zsh reads too, made from the help texts.

Imports nothing slow, so that a shell may make the script whenever it starts.
"""

import re

from neurotarget.process.programs import GROUPS, SCRIPTS, commands, help_text, home

COMPLETION = "--completion"
KEYS = re.compile(r"(?<![\w.])([a-z]\w*(?:\.\w+)*=)")  # output=, data.root=
SCRIPT = """\
_neurotarget() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} words=""
    local key=""
    if [[ $word == "=" ]]; then key=$before word=""
    elif [[ $before == "=" ]]; then key=${{COMP_WORDS[COMP_CWORD-2]}}; fi
    if [[ -n $key ]]; then
        case $key in
{values}
        esac
    elif [[ $COMP_CWORD == 1 ]]; then
        words="{commands}"
    else
        case ${{COMP_WORDS[1]}} in
{keys}
        esac
    fi
    COMPREPLY=($(compgen -W "$words" -- "$word"))
    if [[ ${{#COMPREPLY[@]}} == 1 && $COMPREPLY == *= ]]; then compopt -o nospace 2>/dev/null; fi
}}
complete -o default -F _neurotarget neurotarget
"""


def completion_script() -> str:
    """Script that completes commands, their arguments, and names in `conf`; otherwise files.

    The names are those in the `conf` of this program when the script is made. Zsh needs
    `autoload -U bashcompinit && bashcompinit` before it.
    """
    keys = {name: sorted({*KEYS.findall(help_text(name))}) for name in commands()}
    for name in SCRIPTS:
        groups = [f"{folder.name}=" for folder in (home() / "conf").iterdir() if folder.is_dir()]
        keys[name] = sorted({*keys[name], *(groups if name == "train" else [])})
    names = {
        group: sorted(file.stem for file in (home() / "conf" / group).glob("*.yaml"))
        for group in {*GROUPS, "augment", "loss", "optimizer", "task"}
    }
    return SCRIPT.format(
        commands=" ".join(["help", *commands()]),
        keys=_cases(keys),
        values=_cases(dict(sorted(names.items()))),
    )


def _cases(words: dict[str, list[str]]) -> str:
    """Branches of a `case` that set `words`."""
    lines = (f'        {name}) words="{" ".join(listed)}" ;;' for name, listed in words.items())
    return "\n".join(lines)
