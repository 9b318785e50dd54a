"""Whose the ports of a module are, and which VIS may speak for a host: pure, State in, State out.

While a module is in mode NIV its vEths are held by its card (vsm/model/niv.py), in the other modes by the host itself.
A card is believed only through a VIS that is known here, and to which the host itself says that it is connected; what
the host said last is part of the State, so that a card can come back while the host's agent is away.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from dvswitch.errors import Conflict
from vsm.model.lifecycle import slot_of_host
from vsm.model.niv import DVS, Card, HostMode, ModeKind, Role, Way
from vsm.model.state import Module, State

CARD_WORD = "card"
"""Before a command for a module: it is for its card."""


def mode_of(state: State, slot: int) -> HostMode:
    """The mode of the module in ``slot``: as configured, but DVS while its host's software has no such mode."""
    bound, module = state.config.slots.get(slot), state.inventory.modules.get(slot)
    return bound.mode if bound and (module is None or bound.mode.kind in (ModeKind.DVS, *module.modes)) else DVS


def holder(state: State, slot: int) -> Role:
    """Who holds the vEths of that slot: is told of them, and believed about them."""
    return Role.CARD if mode_of(state, slot).niv else Role.HOST


def for_holder(state: State, slot: int, words: Sequence[str]) -> list[str]:
    """A command for whoever holds the vEths of that slot."""
    return [CARD_WORD, *words] if holder(state, slot) is Role.CARD else list(words)


def niv_slots(state: State) -> set[int]:
    """Slots in mode NIV."""
    return {number for number, slot in state.config.slots.items() if slot.mode.niv and mode_of(state, number).niv}


def ways_told(state: State, slot: int, up: Collection[Way], heard: Collection[Way]) -> State:
    """The host in ``slot`` tells all its ways to a VIS: those that are ``up``, and all that it knows of.

    While none is up, those that were and that it still knows of are kept: a link that flaps, or a VIS that starts
    again, does not make its card a stranger.
    """
    known = state.inventory.ways.get(slot, ())
    peers = {way.vis_uuid for way in heard}
    kept = up or [way for way in known if not heard or way.vis_uuid in peers]
    ways = tuple(sorted(kept, key=lambda way: (way.uplink, way.vis_uuid)))
    if ways == known:
        return state
    told = {**state.inventory.ways, slot: ways}
    if not ways:
        del told[slot]
    return replace(state, inventory=replace(state.inventory, ways=told))


def card_of(state: State, domain: int, host_uuid: str, through: str) -> tuple[int, Module]:
    """The slot of the host for which a VIS's card says hello, and the VIS; Conflict says why it is not believed."""
    subject = f"card for host {host_uuid}"
    if domain != state.config.domain:
        raise Conflict(subject, f"belongs to domain {domain}, this supervisor to domain {state.config.domain}")
    slot = slot_of_host(state.config, host_uuid)
    host = state.inventory.modules.get(slot) if slot is not None else None
    if slot is None or host is None:
        raise Conflict(subject, "the host has not joined", "start its agent")
    vis = _vis(state, through)
    if vis is None:
        raise Conflict(subject, f"{through or 'it'} is no VIS of this switch", "the VIS has to join first, by itself")
    if host.type != "VEM" or not mode_of(state, slot).niv:
        raise Conflict(subject, f"module {slot} is not in mode niv", f"say 'mode niv' in 'vem {slot}'")
    if not any(way.vis_uuid.lower() == through.lower() for way in state.inventory.ways.get(slot, ())):
        problem = f"module {slot} has not said that it is connected to VIS {vis.host_name or through}"
        raise Conflict(subject, problem, "see 'show niv' and the cables")
    return slot, vis


def carded(state: State, slot: int, card: Card) -> State:
    """``state`` that knows this card of the host in ``slot``."""
    if state.inventory.cards.get(slot) == card:
        return state
    return replace(state, inventory=replace(state.inventory, cards={**state.inventory.cards, slot: card}))


def forgotten(state: State, slot: int) -> State:
    """``state`` without what is known of the ways and the card of ``slot``."""
    inventory = state.inventory
    ways = {key: way for key, way in inventory.ways.items() if key != slot}
    cards = {key: card for key, card in inventory.cards.items() if key != slot}
    return replace(state, inventory=replace(inventory, ways=ways, cards=cards))


def mobility_of(state: State, slot: int) -> str:
    """Where frames of vEths that move from or to ``slot`` can be passed on to; "" = nowhere."""
    if holder(state, slot) is Role.CARD:
        return state.inventory.cards.get(slot, Card()).mobility
    module = state.inventory.modules.get(slot)
    return module.mobility if module else ""


def _vis(state: State, uuid: str) -> Module | None:
    slot = slot_of_host(state.config, uuid) if uuid else None
    module = state.inventory.modules.get(slot) if slot is not None else None
    return module if module and module.type == "VIS" else None


__all__ = [
    "CARD_WORD",
    "card_of",
    "carded",
    "for_holder",
    "forgotten",
    "holder",
    "mobility_of",
    "mode_of",
    "niv_slots",
    "ways_told",
]
