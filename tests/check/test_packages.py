"""Every package in the tree is in the distribution: an editable install would not notice one that is left out."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_all_packages_are_distributed() -> None:
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    found = {
        ".".join(init.parent.relative_to(base).parts)
        for base, top in ((ROOT / "proto", "dvswitch"), (ROOT, "vsm"), (ROOT, "vem"), (ROOT, "physical"))
        for init in (base / top).rglob("__init__.py")
    }
    assert listed == found


def test_data_files_are_distributed() -> None:
    """Templates are no modules: what a plain installation carries of them is said by patterns."""
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    directory = ROOT / "vsm" / "templates"
    carried = {path for pattern in patterns["vsm.templates"] for path in directory.glob(pattern)}
    assert {path for path in directory.iterdir() if path.is_file()} == {*carried, *directory.glob("*.py")}
