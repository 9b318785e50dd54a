"""`python -m vsm.templates [DIRECTORY]`: print where the templates are, or make one directory of all."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path

from dvswitch.errors import DvsError, NotFound
from vsm.templates import DIRECTORY, merged


def main(arguments: list[str] | None = None) -> int:
    """The command; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m vsm.templates", description="TextFSM templates of this switch.")
    parser.add_argument("directory", type=Path, nargs="?", help="directory to make of these and those of ntc-templates")
    parser.add_argument("--others", type=Path, help="the other templates; default: the package ntc-templates")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.directory:
            merged(chosen.directory, chosen.others or _installed())
    except (DvsError, OSError) as problem:
        print(problem, file=sys.stderr)
        return 1
    print(chosen.directory or DIRECTORY)
    return 0


def _installed() -> Path:
    found = importlib.util.find_spec("ntc_templates")
    if found is None or not found.submodule_search_locations:
        raise NotFound("package ntc-templates", "is not installed", "install it or give --others")
    return Path(found.submodule_search_locations[0]) / "templates"


if __name__ == "__main__":
    sys.exit(main())
