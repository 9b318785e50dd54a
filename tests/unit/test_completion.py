"""Completion in a real bash: every subcommand and option of each program is offered where it may stand."""

from __future__ import annotations

import argparse
import importlib
import shlex
import shutil
import subprocess

import pytest

from dvswitch import completion

pytestmark = pytest.mark.skipif(not shutil.which("bash"), reason="not for machines without bash")

PROGRAMS = {"vsm": "vsm.main", "vem": "vem.main", "dvs": "physical.dvs"}


def offered(script: str, program: str, *words: str) -> list[str]:
    """What Tab offers behind these words, the last of which is being written."""
    said = " ".join(shlex.quote(word) for word in (program, *words))
    pressed = f"COMP_WORDS=({said}); COMP_CWORD={len(words)}; _{program}_completion; echo ${{COMPREPLY[@]}}"
    done = subprocess.run(["bash", "-ec", f"{script}\n{pressed}"], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize("program", PROGRAMS)
def test_what_the_parser_knows_is_offered(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    module = importlib.import_module(PROGRAMS[program])
    assert module.main(["completion"]) == 0
    script = capsys.readouterr().out
    for path, parser in completion._commands(module._parser(), program):
        words = path.split()[1:]
        wanted = {name for action in parser._actions for name in action.option_strings}
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                wanted |= set(action.choices)
        assert wanted <= set(offered(script, program, *words, "")), path
    assert offered(script, program, "completio") == ["completion"]
    assert offered(script, program, "no-such", "") == offered(script, program, "")


def test_arguments_and_choices(capsys: pytest.CaptureFixture[str]) -> None:
    from vem.main import main

    assert main(["completion"]) == 0
    script = capsys.readouterr().out
    assert offered(script, "vem", "show", "up") == ["uplinks"]
    assert offered(script, "vem", "capture", "--dir", "o") == ["out"]
