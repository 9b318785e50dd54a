"""The configuration lines that turn one configuration into another: what a rollback would change.

Both are rendered section by section with the row behind each line, so a line that goes is taken back by its own row's
`no` (or `default`, where `no` says something else).  Interfaces come and go by themselves: of them only what the
operator says counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from vsm.cli.command import Mode
from vsm.cli.grammar import Match
from vsm.config.parse import parsed
from vsm.config.render import SaidLine, Section, sections
from vsm.model.state import State
from vsm.model.users import ADMIN
from vsm.policy.ports import automatic_description

_OBSERVED = ("inherit port-profile ", "vm mac ")
"""On interfaces: not the operator's to say."""


def patch(old: State, new: State) -> list[str]:
    """The lines, sub-lines indented; [] when both say the same."""
    other_defaults = old.config.default_max_ports != new.config.default_max_ports
    before, after = (_by_name(state, max_ports=other_defaults) for state in (old, new))
    found: list[str] = []
    for name, section in after.items():
        known = before.get(name)
        if known and known.header != section.header:
            found.append(f"no {known.header}")  # a profile of the other type: made anew
            known = None
        if section.key[0] == "user" and known and known.lines != section.lines:
            found += _user_changes(known, section)
        elif known is None or known.lines != section.lines:
            found += _changes(known, section)
    for name, section in reversed(before.items()):
        if name not in after:
            found += _removal(section)
    return found


def _by_name(state: State, *, max_ports: bool) -> dict[tuple[str, object], Section]:
    """Sections by their keys, in an order in which they can be applied.

    ``max_ports``: profiles say theirs even where it is the default, which holds for profiles to come only.
    """
    found = {section.key: section for section in sections(state)}
    if max_ports:
        bare = replace(state, config=replace(state.config, default_max_ports=0))
        found.update((section.key, section) for section in sections(bare) if section.key[0] == "port-profile")
    del found["vlans", ""]
    for number in state.config.vlans:
        found.setdefault(("vlan", number), Section(("vlan", number), f"vlan {number}", Mode.VLAN, ()))
    for key, section in found.items():
        if key[0] == "interface":
            found[key] = _operators_part(state, section)
    return dict(sorted(found.items(), key=lambda item: _ORDER.index(item[0][0])))


_ORDER = (
    "switch", "role", "user", "vem", "vlan", "port-profile default", "port-profile", "interface", "line console",
    "line", "svs-domain", "svs connection",
)  # fmt: skip


def _operators_part(state: State, section: Section) -> Section:
    automatic = f"description {automatic_description(state, str(section.key[1]))}"
    lines = [said for said in section.lines if not said[1].startswith(_OBSERVED) and said[1] != automatic]
    return Section(section.key, section.header, section.mode, tuple(lines))


def _changes(old: Section | None, new: Section) -> Iterator[str]:
    """The lines that make ``new`` of ``old``; None = it does not exist."""
    before = dict(_keyed(old.lines if old else ()))
    after = dict(_keyed(new.lines))
    changed = [said[1] for key, said in after.items() if before.get(key) != said]
    gone = [_negated(new.mode, said) for key, said in before.items() if key not in after]
    if new.header and (gone or changed or (old is None and new.key[0] != "interface")):
        yield new.header
    indent = "  " if new.header else ""
    yield from (f"{indent}{line}" for line in [*gone, *changed])


def _keyed(lines: tuple[SaidLine, ...]) -> Iterator[tuple[tuple[int, str], SaidLine]]:
    """Lines by the row that says them: most rows say one line at most."""
    return (((id(said[0]), said[1] if said[0].several else ""), said) for said in lines)


def _user_changes(old: Section, new: Section) -> Iterator[str]:
    """A user is made anew, since its first line says several things; the one that can't be removed is only changed."""
    if new.key[1] == ADMIN:
        kept = [said[1] for said in new.lines]
        yield from (_negated(old.mode, said) for said in old.lines[1:] if said[1] not in kept)
    else:
        yield f"no username {new.key[1]}"
    yield from (line for _, line in new.lines)


def _removal(section: Section) -> Iterator[str]:
    if section.key[0] == "interface":
        if section.lines:
            yield f"default {section.header}"
    elif section.key[0] == "user":
        yield f"no username {section.key[1]}"
    elif section.header:
        yield f"no {section.header}"


def _negated(mode: Mode, said: SaidLine) -> str:
    """The line that takes back what ``said`` says."""
    row, line = said
    form = "no" if row.reset is None or row.reset is row.undo else "default"
    words = line.split()
    words = words[1:] if words[0] == "no" else words
    for count in range(len(words), 0, -1):
        attempt = f"{form} {' '.join(words[:count])}"
        match = parsed(mode, attempt)
        if isinstance(match, Match) and match.command is row:
            return attempt
    raise AssertionError(f"row '{row.syntax}' has no way back from '{line}'")
