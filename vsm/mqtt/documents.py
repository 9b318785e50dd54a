"""What is published, as plain values: a document per object that is retained, and one per event.

Pure: made from the State and what modules report.  Each field's help is its metadata; vsm/mqtt/schema.py makes the JSON
Schema in docs/ from it.  Topics stand in topics.py, the order of sending in outbox.py.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from vsm.events.bus import Event
from vsm.model.cards import mode_of
from vsm.model.state import State
from vsm.policy.quarantine import status, uplink_status
from vsm.runtime import Runtime


def _field(text: str) -> Any:
    return field(metadata={"help": text})


@dataclass(frozen=True, slots=True)
class StatusDocument:
    """The supervisor itself.  When it dies the broker says so in its place, by its last will."""

    online: bool = _field("whether the supervisor runs and publishes")
    switch: str = _field("host name of the switch")
    domain: int = _field("svs domain id, 1-4095")
    start: str = _field("names this start of the supervisor; event sequences count anew with each")
    version: str = _field("of the supervisor's software")


@dataclass(frozen=True, slots=True)
class VethDocument:
    """A virtual Ethernet port."""

    veth: int = _field("number; it follows the NIC wherever it runs")
    vm: str = _field("name of the virtual machine")
    vm_uuid: str = _field("its UUID; empty: not known")
    nic: int = _field("index of the NIC in the VM, from 0")
    adapter: str = _field("the VM's word for the NIC; may be empty")
    mac: str = _field("aa:bb:cc:dd:ee:ff")
    profile: str = _field("name of its port-profile")
    module: int | None = _field("slot where it lives; null: plugged in nowhere")
    host: str = _field("name of that host; may be empty")
    state: str = _field("up or down")
    reason: str = _field("why it is down; 'none' when it is up")
    generation: int = _field("rises with every change of place")


@dataclass(frozen=True, slots=True)
class ModuleDocument:
    """A host's agent, or a physical switch."""

    module: int = _field("slot")
    type: str = _field("VEM or VIS")
    host: str = _field("name of the host")
    host_uuid: str = _field("UUID of the host")
    engine: str = _field("kernel or user")
    version: str = _field("of the agent's software")
    address: str = _field("where it connects from; empty: a unix socket")
    connected: bool = _field("whether it has a session with the supervisor; its ports forward without, too")
    mode: str = _field("who switches its frames: dvs (itself), niv (a VIS), vepa (a neighbouring bridge)")
    card: bool | None = _field("whether its card, on a VIS, has a session; null: it has none, as its mode is not niv")


@dataclass(frozen=True, slots=True)
class UplinkDocument:
    """A physical port of a host."""

    module: int = _field("slot")
    uplink: int = _field("number: the 2 of Ethernet3/2")
    adapter: str = _field("the host's name for it; may be empty")
    profile: str = _field("name of its port-profile")
    state: str = _field("up or down")
    reason: str = _field("why it is down; 'none' when it is up")


@dataclass(frozen=True, slots=True)
class ProfileDocument:
    """A port-profile."""

    profile: str = _field("name")
    type: str = _field("vethernet or ethernet")
    description: str = _field("the operator's words; may be empty")
    enabled: bool = _field("'state enabled'")
    inherits: str = _field("name of its parent; empty: none")
    port_group: str | None = _field("name that hypervisor managers see; null: not published")
    max_ports: int = _field("how many vEths may use it")


@dataclass(frozen=True, slots=True)
class MigrationDocument:
    """A migration under way.  The topic is cleared when it is over; the events tell how it ended."""

    veth: int = _field("number of the vEth that moves")
    vm: str = _field("name of the virtual machine")
    source: int = _field("slot that it leaves")
    target: int = _field("slot that it goes to")
    state: str = _field("prepared, paused, activated or cancelled")
    generation: int = _field("of the vEth once it is activated")
    returning: bool = _field("it had been activated and is taken back: source and target changed roles")


@dataclass(frozen=True, slots=True)
class EventDocument:
    """Something that happened.  Sent at least once: drop what has a sequence that was seen before."""

    start: str = _field("as in the status: sequences of another start count anew")
    sequence: int = _field("rises by one with each event of a start; what is missing was lost (see gap)")
    time_ms: int = _field("Unix time in milliseconds")
    revision: int = _field("of the configuration and inventory in force")
    kind: str = _field("module, veth, profile, config, migration, uplink or host")
    object: str = _field("in the operator's words: vethernet 5")
    what: str = _field("one word: attached, moved, changed, absent, ...")
    text: str = _field("one sentence")
    veth: int | None = _field("number of the vEth that it is about; null: of none")


@dataclass(frozen=True, slots=True)
class GapDocument:
    """Events that were lost because the broker was away for longer than they could be kept."""

    start: str = _field("as in the status")
    lost: int = _field("how many")
    first: int = _field("sequence of the first of them")
    last: int = _field("sequence of the last of them")


Document = (
    StatusDocument
    | VethDocument
    | ModuleDocument
    | UplinkDocument
    | ProfileDocument
    | MigrationDocument
    | EventDocument
    | GapDocument
)
Key = tuple[str, int | str | tuple[int, int]]
"""An object whose document is retained: ("veth", 5), ("uplink", (3, 1)), ("profile", "web")."""


def encode(document: Document) -> bytes:
    """As it is sent."""
    return json.dumps(asdict(document), ensure_ascii=False, separators=(",", ":")).encode()


def all_keys(state: State) -> list[Key]:
    """Every object there is."""
    inventory = state.inventory
    tables = ("veth", inventory.veths), ("module", inventory.modules), ("uplink", inventory.uplinks)
    tables += ("profile", state.config.profiles), ("migration", inventory.moves)  # type: ignore[assignment]
    return [(kind, key) for kind, table in tables for key in table]


def document_of(state: State, runtime: Runtime, key: Key) -> Document | None:
    """The object's document; None: it does not exist (any more)."""
    return _MAKERS[key[0]](state, runtime, key[1])


def event_document(event: Event, start: str) -> EventDocument:
    """The document of an event."""
    news = event.news
    when = round(event.time * 1000)
    veth = news.veth or None
    return EventDocument(
        start, event.sequence, when, event.revision, news.kind, news.object, news.what, news.text, veth
    )


def _veth(state: State, runtime: Runtime, number: Any) -> VethDocument | None:
    veth = state.inventory.veths.get(number)
    if veth is None:
        return None
    observed = runtime.port(number)
    word, reason = status(state, veth, observed is not None and observed.link_up)
    module = state.inventory.modules.get(veth.slot) if veth.slot is not None else None
    return VethDocument(
        veth=number,
        vm=veth.nic.vm,
        vm_uuid=veth.nic.vm_uuid,
        nic=veth.nic.index,
        adapter=veth.nic.adapter,
        mac=str(veth.mac),
        profile=veth.profile,
        module=veth.slot,
        host=module.host_name if module else "",
        state=word,
        reason=reason,
        generation=veth.generation,
    )


def _module(state: State, runtime: Runtime, slot: Any) -> ModuleDocument | None:
    module = state.inventory.modules.get(slot)
    if module is None:
        return None
    session, card, mode = runtime.module(slot), runtime.card(slot), mode_of(state, slot)
    return ModuleDocument(
        module=slot,
        type=module.type,
        host=module.host_name,
        host_uuid=module.host_uuid,
        engine=module.engine,
        version=module.version,
        address=module.address,
        connected=session is not None and session.connected,
        mode=mode.kind.value,
        card=(card is not None and card.connected) if mode.niv else None,
    )


def _uplink(state: State, runtime: Runtime, key: Any) -> UplinkDocument | None:
    uplink = state.inventory.uplinks.get(key)
    if uplink is None:
        return None
    word, reason = uplink_status(state, uplink)
    return UplinkDocument(uplink.slot, uplink.number, uplink.adapter, uplink.profile, word, reason)


def _profile(state: State, runtime: Runtime, name: Any) -> ProfileDocument | None:
    profile = state.config.profiles.get(name)
    if profile is None:
        return None
    return ProfileDocument(
        profile=name,
        type=profile.type.value,
        description=profile.description,
        enabled=profile.enabled,
        inherits=profile.inherit,
        port_group=profile.port_group,
        max_ports=profile.max_ports,
    )


def _migration(state: State, runtime: Runtime, number: Any) -> MigrationDocument | None:
    move, veth = state.inventory.moves.get(number), state.inventory.veths.get(number)
    if move is None or veth is None:
        return None
    return MigrationDocument(
        number, veth.nic.vm, move.source, move.target, move.state.value, move.generation, move.returning
    )


_MAKERS = {"veth": _veth, "module": _module, "uplink": _uplink, "profile": _profile, "migration": _migration}
