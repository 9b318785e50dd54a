"""docs/cli.md is what the command table says today."""

from __future__ import annotations

from pathlib import Path

from vsm.cli.document import document
from vsm.cli.registry import COMMANDS

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def test_page_is_up_to_date() -> None:
    assert PAGE.read_text() == document(), "run: python -m vsm.cli.document > docs/cli.md"


def test_every_command_is_on_the_page() -> None:
    page = PAGE.read_text()
    assert all(f"| {command.help} |" in page for command in COMMANDS)
