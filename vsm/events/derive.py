"""Which events the step from one State to the next amounts to: pure, so that no caller has to remember to tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, TypeVar

from vsm.events.bus import News
from vsm.model.migration import Move, MoveState
from vsm.model.state import Config, Module, PortProfile, State, Uplink, Veth

_Value = TypeVar("_Value")


def happened(old: State, new: State) -> list[News]:
    """The events between two States, most general first."""
    if old.inventory is new.inventory and old.config is new.config:
        return []
    news = list(_config(old.config, new.config))
    before, after = old.inventory, new.inventory
    for profile in _pairs(old.config.profiles, new.config.profiles):
        news.append(_profile(*profile))
    for module in _pairs(before.modules, after.modules):
        news.append(_module(*module))
    for uplink in _pairs(before.uplinks, after.uplinks):
        news.append(_uplink(*uplink))
    for veth in _pairs(before.veths, after.veths):
        news.append(_veth(*veth))
    for was, now in _pairs(before.moves, after.moves):
        move = now or was
        assert move is not None
        news.append(_move(move, now, after.veths.get(move.veth)))
    return news


def _pairs(old: Mapping[Any, _Value], new: Mapping[Any, _Value]) -> Iterator[tuple[_Value | None, _Value | None]]:
    """(before, after) of each entry that differs."""
    if old is new:
        return
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key), new.get(key)
        if before is not after and before != after:
            yield before, after


def _config(old: Config, new: Config) -> Iterator[News]:
    if old is new:
        return
    for item in fields(Config):
        if item.name != "profiles" and getattr(old, item.name) != getattr(new, item.name):
            yield News("config", item.name.replace("_", " "), "changed", "The running configuration changed.")


def _word(before: object, after: object) -> str:
    if before is None:
        return "created"
    return "removed" if after is None else "changed"


def _profile(before: PortProfile | None, after: PortProfile | None) -> News:
    profile, what = after or before, _word(before, after)
    assert profile is not None
    return News("profile", f"port-profile {profile.name}", what, f"Port-profile {profile.name} was {what}.")


def _module(before: Module | None, after: Module | None) -> News:
    module = after or before
    assert module is not None
    what = {"created": "joined"}.get(_word(before, after), _word(before, after))
    return News("module", f"module {module.slot}", what, f"Module {module.slot} ({module.host_name}) {what}.")


def _uplink(before: Uplink | None, after: Uplink | None) -> News:
    uplink = after or before
    assert uplink is not None
    name, what = f"ethernet {uplink.slot}/{uplink.number}", _word(before, after)
    state = "up" if after and after.link_up else "down"
    return News("uplink", name, what, f"Uplink {name} ({uplink.adapter}) was {what}; its link is {state}.")


def _veth(before: Veth | None, after: Veth | None) -> News:
    veth = after or before
    assert veth is not None
    what = _word(before, after)
    was = before.slot if before else None
    if after and after.slot != was:
        what = "detached" if after.slot is None else "attached" if was is None else "moved"
    place = "" if veth.slot is None else f" on module {veth.slot}"
    text = f"Vethernet {veth.number} ({veth.nic.vm}, port-profile {veth.profile}) {what}{place}."
    return News("veth", f"vethernet {veth.number}", what, text, veth.number)


def _move(move: Move, now: Move | None, veth: Veth | None) -> News:
    what = now.state.value if now else "done"
    if now is None and move.state is MoveState.CANCELLED:
        what = "cancelled"
    text = f"Vethernet {move.veth} from module {move.source} to module {move.target}: {what}."
    if veth is None or (now is None and veth.slot is None):
        text = f"Vethernet {move.veth}: its migration ended, it is plugged in nowhere."
    return News("migration", f"vethernet {move.veth}", what, text, move.veth)
