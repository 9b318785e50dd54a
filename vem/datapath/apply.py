"""Carries out a plan (plan.py) on an engine."""

from __future__ import annotations

from vem.datapath.engine import Engine
from vem.datapath.image import Image
from vem.datapath.plan import SetConfig, SetGroups, SetMembers, SetPort, SetStaticMacs, SetVifLists, Step, transition


def apply_image(engine: Engine, old: Image, new: Image) -> int:
    """Take ``engine``, which holds ``old``, to ``new``; returns the number of engine calls made.

    An EngineError leaves the engine somewhere between the two: read engine.image() before trying again.
    """
    if old is new or old == new:
        return 0
    if engine.set_image(new):
        return 1
    steps = transition(old, new)
    for step in steps:
        apply_step(engine, step)
    return len(steps)


def apply_step(engine: Engine, step: Step) -> None:
    """One step of a plan."""
    match step:
        case SetConfig(control, policies, teams):
            engine.set_config(control, policies, teams)
        case SetPort(lport, port):
            engine.set_port(lport, port)
        case SetStaticMacs(entries):
            engine.set_static_macs(entries)
        case SetMembers(members, unknown, promiscuous):
            engine.set_members(members, unknown, promiscuous)
        case SetGroups(groups):
            engine.set_groups(groups)
        case SetVifLists(lists):
            engine.set_vif_lists(lists)


__all__ = ["apply_image", "apply_step"]
