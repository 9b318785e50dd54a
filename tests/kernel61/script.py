"""Writes the commands of guest.c: a row's world as map entries, its steps as frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tests.rows.row import Row, Step
from vem.datapath import abi, tables
from vem.datapath.groups import VifListNumbers
from vem.datapath.image import Image, Policy, Team
from vem.datapath.kernel_trace import context, given

IFINDEX = 1000
"""A tap's index is this plus its lport."""
_NO_TEAM = tables.pack_team(Team())


@dataclass(frozen=True)
class Question:
    """A frame that was put in, in a world."""

    world: Image
    step: Step


def _u32(number: int) -> bytes:
    return number.to_bytes(4, "little")


def _update(name: str, key: bytes, value: bytes) -> str:
    return f"update {name} {key.hex()} {value.hex()}"


def world_commands(old: Image, new: Image) -> Iterator[str]:
    """Takes tables that hold ``old`` to ``new``; always in bank 0, since nothing runs meanwhile."""
    yield from _forgetting(old, new)
    for name in ("dvs_lists", "dvs_groups", "dvs_vifs"):
        yield f"flush {name}"
    for lport in old.ports.keys() - new.ports.keys():
        yield _update("dvs_ports", _u32(lport), tables.pack_port(None))
    yield _update("dvs_control", _u32(0), _control(new))
    for number, policy in new.policies.items():
        yield from _policy_commands(number, policy)
    for number in old.teams.keys() | new.teams.keys():
        team = new.teams.get(number)
        yield _update("dvs_teams", _u32(number), tables.pack_team(team) if team else _NO_TEAM)
    for lport, port in new.ports.items():
        yield _update("dvs_ports", _u32(lport), tables.pack_port(port, IFINDEX + lport))
        if port.link and port.vif:
            yield _update("dvs_vifs", _u32(tables.vif_key(port.link, port.vif)), _u32(lport))
    for mac, lport in new.static_macs.items():
        yield _update("dvs_macs", tables.pack_mac_key(mac), tables.pack_mac(lport))
    yield from _list_commands(new)
    spied = zip(tables.pack_vlans(old.promiscuous_members), tables.pack_vlans(new.promiscuous_members), strict=True)
    for number, (before, after) in enumerate(spied):
        if before != after:
            yield _update("dvs_spied", _u32(number), after)


def _forgetting(old: Image, new: Image) -> Iterator[str]:
    yield "flush dvs_macs"
    for lport in sorted(old.ports.keys() | new.ports.keys()):
        yield _update("dvs_live", _u32(lport), bytes(abi.ffi.sizeof("struct dvs_live")))


def _control(image: Image) -> bytes:
    return tables.pack_control(image.control, 0, image.policies.values(), image.teams.values())


def _list_commands(image: Image) -> Iterator[str]:
    kinds = (("ALL", image.members), ("UNKNOWN", image.unknown_members), ("PROMISCUOUS", image.promiscuous_members))
    lists = {tables.list_key(kind, vlan): lports for kind, found in kinds for vlan, lports in found.items()}
    for number, (group, lports) in enumerate(sorted(image.groups.items())):
        lists[tables.list_key("GROUP", number)] = lports
        yield _update("dvs_groups", tables.pack_group(group), _u32(tables.list_key("GROUP", number)))
    vif_lists = VifListNumbers({vif_list: number for number, vif_list in enumerate(image.vif_lists)})
    for vif_list, lports in image.vif_lists.items():
        key = tables.list_key("VIFS", vif_lists.held()[vif_list])
        yield f"list {_u32(key).hex()} {tables.pack_members(lports, *vif_list).hex()}"
        yield _update("dvs_vifs", _u32(tables.vif_list_key(*vif_list)), _u32(key))
    for key, lports in lists.items():
        yield f"list {_u32(key).hex()} {tables.pack_members(vif_lists.to_table(lports)).hex()}"


def _policy_commands(number: int, policy: Policy) -> Iterator[str]:
    yield _update("dvs_policies", _u32(number), tables.pack_policy(policy))
    yield _update("dvs_policy_index", _u32(number), _u32(number + 1))


def play(rows: Iterable[Row], *, live: bool) -> tuple[list[str], list[Question]]:
    """Commands that take all steps of all rows, and what they ask, in order."""
    rows = list(rows)
    commands = list(_tap_commands(rows)) if live else []
    questions: list[Question] = []
    held = Image()
    for row in rows:
        world = row.world
        commands += world_commands(held, world)
        for step in row.steps:
            if step.world is not None:
                learned = world  # a change of tables keeps what was learned, unless the row forgets it
                world = step.world
                kept = set() if step.forget else set(_forgetting(learned, world))
                commands += [line for line in world_commands(learned, world) if line not in kept]
                continue
            commands.append(_frame_command(step, live))
            questions.append(Question(world, step))
        held = world
    return commands, questions


def _tap_commands(rows: list[Row]) -> Iterator[str]:
    worlds = [world for row in rows for world in (row.world, *(step.world for step in row.steps if step.world))]
    for lport in sorted({lport for world in worlds for lport in world.ports}):
        yield f"tap tap{lport} {IFINDEX + lport}"
        yield _update("dvs_ifindex", _u32(IFINDEX + lport), _u32(lport))


def _frame_command(step: Step, live: bool) -> str:
    if live:
        return f"send tap{step.lport} {step.frame.hex()}"
    return f"test {context(step.lport, step.frame, step.gso).hex()} {given(step.frame).hex()}"
