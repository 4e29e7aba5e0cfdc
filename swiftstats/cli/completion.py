"""`swiftstats completion bash | zsh | fish`: what a shell needs to complete our commands, made from the commands' own parsers."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import dataclass, field
from typing import Callable, Iterator, Mapping, Optional

DESCRIPTION = (
    "Write the script that lets a shell complete commands, their verbs, options and values. For bash: "
    "swiftstats completion bash > /etc/bash_completion.d/swiftstats"
)
#: Metavars whose value is a file's path.
PATHS = ("FILE", "DIRECTORY", "PATH")


@dataclass
class Place:
    """A point of a command line, such as `swiftstats token create`: what may follow, with what it means.

    `values`: of each option that takes one, what it may be; None: a file.
    """

    words: dict[str, str] = field(default_factory=dict)
    values: dict[str, Optional[tuple[str, ...]]] = field(default_factory=dict)
    verbs: tuple[str, ...] = ()
    files: bool = False  #: whether an argument of it is a file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the shell."""
    parser.add_argument("shell", choices=tuple(SHELLS), metavar="SHELL", help="bash, zsh or fish")


def run(arguments: argparse.Namespace) -> int:
    """Write the script."""
    print(SHELLS[arguments.shell](dict(places())), end="")
    return 0


def places() -> Iterator[tuple[str, Place]]:
    """Yield each place of the command line, `swiftstats` first."""
    from swiftstats.cli import main  # the table of commands, of which this is one

    yield "swiftstats", _place(main.build_parser())
    for name in main.COMMANDS:
        found = _verbs(main.build_parser(name))[name]
        yield f"swiftstats {name}", _place(found)
        for verb, parser in _verbs(found).items():
            yield f"swiftstats {name} {verb}", _place(parser)


def _verbs(parser: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return action.choices
    return {}


def _place(parser: argparse.ArgumentParser) -> Place:
    place = Place()
    for action in parser._actions:
        said = (action.help or "").partition(" (")[0].partition(";")[0] if action.help != argparse.SUPPRESS else ""
        if isinstance(action, argparse._SubParsersAction):
            place.verbs = tuple(action.choices)
            helps = {each.dest: each.help or "" for each in action._choices_actions}
            place.words |= {name: helps.get(name, "") for name in action.choices}
        elif action.option_strings:
            place.words |= {option: said.replace("%%", "%") for option in action.option_strings}
            if action.nargs != 0:
                place.values |= {option: _values(action) for option in action.option_strings}
        elif action.choices is not None and not isinstance(action.choices, range):
            place.words |= {str(each): "" for each in action.choices}
        else:
            place.files |= action.metavar in PATHS
    return place


def _values(action: argparse.Action) -> Optional[tuple[str, ...]]:
    if action.metavar in PATHS:
        return None
    return () if action.choices is None or isinstance(action.choices, range) else tuple(map(str, action.choices))


def bash(found: Mapping[str, Place]) -> str:
    """Write it for bash."""
    return f"""# Completion of swiftstats for bash, made by `swiftstats completion bash`.
_swiftstats() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} place=swiftstats option= words= word
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        if [[ -n $option ]]; then option=; continue; fi
        case "$place $word" in
{_case(found, lambda place: place.values, 'option=$word')}
{_case(found, lambda place: place.verbs, 'place="$place $word"')}
        esac
    done
    case "$place${{option:+ $option}}" in
{_words(found, 'words={}', 'compopt -o default; return')}
    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -F _swiftstats swiftstats
"""


def zsh(found: Mapping[str, Place]) -> str:
    """Write it for zsh."""
    return f"""#compdef swiftstats
# Completion of swiftstats for zsh, made by `swiftstats completion zsh`.
_swiftstats() {{
    local current=${{words[CURRENT]}} place=swiftstats option= word
    local -a found
    for word in "${{words[@]:1:$((CURRENT - 2))}}"; do
        if [[ -n $option ]]; then option=; continue; fi
        case "$place $word" in
{_case(found, lambda place: place.values, 'option=$word')}
{_case(found, lambda place: place.verbs, 'place="$place $word"')}
        esac
    done
    case "$place${{option:+ $option}}" in
{_words(found, 'found=(${{=:-{}}})', '_files; return')}
    esac
    compadd -- $found
}}
if [[ $funcstack[1] == _swiftstats ]]; then _swiftstats "$@"; else compdef _swiftstats swiftstats; fi
"""


def fish(found: Mapping[str, Place]) -> str:
    """Write it for fish."""
    lines = [f"""# Completion of swiftstats for fish, made by `swiftstats completion fish`.
function __swiftstats_place
    set -l place swiftstats
    set -l option
    for word in (commandline -opc)[2..-1]
        if test -n "$option"
            set option
            continue
        end
        switch "$place $word"
            case {_list(f'{name} {option}' for name, place in found.items() for option in place.values)}
                set option $word
            case {_list(f'{name} {verb}' for name, place in found.items() for verb in place.verbs)}
                set place "$place $word"
        end
    end
    echo "$place$(test -n "$option"; and echo " $option")"
end
complete -c swiftstats -f"""]
    for name, place in found.items():
        at = f"complete -c swiftstats -n 'test (__swiftstats_place) = \"{name}\"'"
        lines += [f"{at} -a {shlex.quote(word)}" + (f" -d {shlex.quote(said)}" if said else "")
                  for word, said in place.words.items()]
        lines += [f"{at} -F"] if place.files else []
        for option, values in place.values.items():
            at = f"complete -c swiftstats -n 'test (__swiftstats_place) = \"{name} {option}\"'"
            lines += [f"{at} -F"] if values is None else [f"{at} -a {shlex.quote(' '.join(values))}"] if values else []
    return "\n".join(lines) + "\n"


def _case(found: Mapping[str, Place], of: Callable[[Place], object], then: str) -> str:
    """Write one branch of a `case`, for every place and what `of` says of it."""
    patterns = [f"{name} {word}" for name, place in found.items() for word in of(place)]  # type: ignore[attr-defined]
    return f"            {'|'.join(shlex.quote(each) for each in patterns)}) {then};;"


def _words(found: Mapping[str, Place], say: str, files: str) -> str:
    """Write the branches that say what may follow; `say` has {} for the words, `files` completes paths."""
    lines = []
    for name, place in found.items():
        then = files if place.files else say.format(shlex.quote(" ".join(place.words)))
        if place.files:  # options, once a dash is written
            then = say.format(shlex.quote(" ".join(place.words))) + "; " + f"[[ $current == -* ]] || {{ {files}; }}"
        lines.append(f"        {shlex.quote(name)}) {then};;")
        for option, values in place.values.items():
            then = files if values is None else say.format(shlex.quote(" ".join(values)))
            lines.append(f"        {shlex.quote(f'{name} {option}')}) {then};;")
    return "\n".join(lines)


def _list(words: Iterator[str]) -> str:
    return " ".join(shlex.quote(word) for word in words)


#: shell: what writes its script
SHELLS: Mapping[str, Callable[[Mapping[str, Place]], str]] = {"bash": bash, "zsh": zsh, "fish": fish}
