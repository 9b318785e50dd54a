"""Completion in bash for a program's command line, made from its argparse parser: `vsm completion`, `vem completion`,
`dvs completion`.

What is printed is all that the shell needs: pressing Tab starts nothing.  Pure.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator, Mapping, Sequence

Words = Mapping[str, Sequence[str]]
"""Words that a command takes as arguments, by the command ("vem show")."""

_SCRIPT = """\
# bash completion for {program}: source <({program} completion)
_{program}_completion() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} path={program} word words=
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case "$path $word" in
{steps}
        esac
    done
    case "$path ${{COMP_WORDS[COMP_CWORD-1]}}" in
{choices}
        *)
            case "$path" in
{words}
            esac
            ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}}
complete -o default -F _{program}_completion {program}
"""


def bash(parser: argparse.ArgumentParser, arguments: Words | None = None) -> str:
    """A script to be sourced; files are offered where nothing else fits."""
    program, found, said = parser.prog, list(_commands(parser, parser.prog)), arguments or {}
    steps = [f"            {_quoted(path)}) path=$path\\ $word ;;" for path, _ in found[1:]]
    choices = [
        f"        {_quoted(f'{path} {name}')}) words={_quoted(' '.join(map(str, action.choices)))} ;;"
        for path, command in found
        for action in command._actions
        for name in action.option_strings
        if action.choices
    ]
    words = [
        f"                {_quoted(path)}) words={_quoted(' '.join(_words(command, said.get(path, ()))))} ;;"
        for path, command in found
    ]
    return _SCRIPT.format(
        program=program,
        steps="\n".join(steps) or "            *) ;;",
        choices="\n".join(choices),
        words="\n".join(words),
    )


def _commands(parser: argparse.ArgumentParser, path: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """The parser and all below it, by the words that lead there."""
    yield path, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield from _commands(below, f"{path} {name}")


def _words(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> list[str]:
    """What may stand behind a command: its subcommands or arguments, and its options."""
    found = list(arguments)
    for action in parser._actions:
        found += action.option_strings or [str(choice) for choice in action.choices or ()]
    return found


def _quoted(text: str) -> str:
    return shlex.quote(text)
