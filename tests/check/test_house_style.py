"""The measurable part of the house style: small functions, short modules, imports that point downwards."""

from __future__ import annotations

import ast
import shutil
import statistics
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("dvswitch", "vsm", "vem", "physical")
MEDIAN, NINTH_DECILE, LONGEST = 10, 40, 80
MODULE_LINES = 500
MAY_IMPORT = {
    "dvswitch": set[str](),
    "vsm": {"dvswitch"},
    "vem": {"dvswitch"},
    "physical": {"dvswitch", "vem"},
    "vsm.model": {"dvswitch"},
    "vsm.policy": {"dvswitch", "vsm.model"},
}
"""Package -> packages of ours it may import, itself aside; the longest name that fits counts."""


def product_files() -> list[Path]:
    """Every Python file of the product, but for generated ones."""
    roots = [ROOT / "proto" / "dvswitch", *(ROOT / name for name in PACKAGES[1:])]
    return sorted(path for root in roots for path in root.rglob("*.py") if "_pb2" not in path.name)


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(parsed(path)))


def functions() -> Iterator[tuple[int, str]]:
    """Length in lines and place of every function."""
    for path in product_files():
        for node in nodes(path):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                yield node.end_lineno - node.lineno + 1, f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"


def test_functions_are_small() -> None:
    lengths = sorted(functions())
    sizes = [size for size, _ in lengths]
    assert statistics.median(sizes) <= MEDIAN
    assert sizes[len(sizes) * 9 // 10] <= NINTH_DECILE
    assert [place for size, place in lengths if size > LONGEST] == []


def test_modules_are_short() -> None:
    lengths = {str(path.relative_to(ROOT)): path.read_text().count("\n") for path in product_files()}
    assert {name: lines for name, lines in lengths.items() if lines > MODULE_LINES} == {}


def test_every_module_says_what_it_is_for() -> None:
    silent = [path for path in product_files() if parsed(path).body and not ast.get_docstring(parsed(path))]
    assert silent == []


@pytest.mark.parametrize("path", product_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_downwards(path: Path) -> None:
    own = module_name(path)
    package = max((name for name in MAY_IMPORT if within(own, name)), key=len)
    allowed = MAY_IMPORT[package] | {package}
    wrong = [name for name in imported(path) if ours(name) and not any(within(name, other) for other in allowed)]
    assert wrong == []


def module_name(path: Path) -> str:
    relative = path.relative_to(ROOT / "proto" if "proto" in path.parts else ROOT).with_suffix("")
    return ".".join(relative.parts).removesuffix(".__init__")


def imported(path: Path) -> Iterator[str]:
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def ours(name: str) -> bool:
    return any(within(name, package) for package in PACKAGES)


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def test_sources_do_not_depend_on_the_machine() -> None:
    """Nothing committed names a directory of somebody's machine."""
    if not shutil.which("git") or not (ROOT / ".git").exists():
        pytest.skip("needs git and a clone")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    homes = ("/" + "root/", "/" + "home/", "/" + "work/")
    found = [
        name
        for name in listed.stdout.split()
        if any(home in (ROOT / name).read_text(errors="replace") for home in homes if (ROOT / name).is_file())
    ]
    assert found == []
