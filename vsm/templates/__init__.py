"""TextFSM templates for commands that only this switch has, and an index of them, as ntc-templates lays them out.

A client reads templates from one directory, named by NET_TEXTFSM (netmiko) or NTC_TEMPLATES_DIR (ntc-templates), so
`python -m vsm.templates DIRECTORY` makes one in which these stand before those of ntc-templates (docs/templates.md).
The names of their columns are those of `| json`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from dvswitch.errors import Conflict, NotFound

DIRECTORY = Path(__file__).parent
"""Where they are installed: a directory that such a variable may name."""
INDEX = "index"
_HEAD = "Template, Hostname, Platform, Command\n"


def merged(target: Path, others: Path) -> None:
    """Make ``target`` of these templates and those in ``others``; the index of these comes first.

    Conflict if ``target`` exists, NotFound if ``others`` is not a directory of templates.
    """
    if target.exists():
        raise Conflict(f"directory {target}", "exists", "name one that does not")
    if not (others / INDEX).is_file():
        raise NotFound(f"directory {others}", "holds no index of templates", "name that of ntc-templates")
    shutil.copytree(others, target)
    for template in DIRECTORY.glob("*.textfsm"):
        shutil.copyfile(template, target / template.name)
    rows = (others / INDEX).read_text().replace(_HEAD, "", 1)
    (target / INDEX).write_text(f"{(DIRECTORY / INDEX).read_text()}\n{rows}")
