"""Shell completion: a script for bash, which zsh reads too, made from the help texts.

Imports nothing slow, so that a shell may make the script whenever it starts.
"""

import re

from neurotarget.process.programs import commands, help_text, home

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
    """Return a script that completes commands, arguments and names in `conf`; otherwise files.

    The names are those in the `conf` of this program when the script is made. Zsh needs
    `autoload -U bashcompinit && bashcompinit` before it.
    """
    keys = {name: sorted({*KEYS.findall(help_text(name))}) for name in commands()}
    folders = sorted(folder for folder in (home() / "conf").iterdir() if folder.is_dir())
    names = {one.name: sorted(file.stem for file in one.glob("*.yaml")) for one in folders}
    keys["train"] = sorted({*keys["train"], *(f"{group}=" for group in names)})
    return SCRIPT.format(
        commands=" ".join(["help", *commands()]),
        keys=_cases(keys),
        values=_cases(names),
    )


def _cases(words: dict[str, list[str]]) -> str:
    """Write the branches of a shell `case` that set `words`."""
    lines = (f'        {name}) words="{" ".join(listed)}" ;;' for name, listed in words.items())
    return "\n".join(lines)
