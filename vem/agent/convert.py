"""The edge between the protocol and the agent's own values: nothing else in the agent's cores sees protobuf.

What comes in malformed becomes a Refusal for that object and is otherwise absent; nothing behind this module checks
again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from operator import attrgetter
from typing import Any

from dvswitch.digest import wanted_digest
from dvswitch.errors import DvsError, InvalidValue
from dvswitch.lldp_agent import Mode
from dvswitch.mac import MacAddress
from dvswitch.mobility import KEY_BYTES, parse_endpoint
from dvswitch.v1 import fabric_pb2 as fabric
from dvswitch.v1 import manager_pb2 as manager
from dvswitch.v1 import types_pb2 as pb
from dvswitch.vlan import VlanSet, check_vlan
from vem.agent.wanted import (
    Change,
    Forward,
    HostMode,
    ModeKind,
    Nic,
    Phase,
    Policy,
    Port,
    Refusal,
    Remove,
    Switch,
    Tagging,
    Update,
    Uplink,
    Wanted,
)
from vem.datapath.engine import Plug
from vem.datapath.image import Counters, Storm
from vem.discovery.uplinks import CDP_TIMES, LLDP_TIMES, Times
from vem.snooping.groups import QUERY_INTERVAL
from vem.teaming.health import UP_DELAY
from vem.teaming.team import Balance, Channel, Rules

_COUNTS = (
    "rx_frames",
    "rx_bytes",
    "rx_multicast",
    "rx_broadcast",
    "rx_forwarded",
    "rx_copies",
    "tx_frames",
    "tx_bytes",
    "tx_multicast",
    "tx_broadcast",
    "tx_flooded",
)
_COUNTS_OF = attrgetter(*_COUNTS)

_BY_VIS = tuple(item.name.removeprefix("niv_") for item in fields(Counters) if item.name.startswith("niv_"))

_DISCOVERY = {number: Mode[name] for name, number in pb.Discovery.items()}

# --- from the supervisor ----------------------------------------------------------------------------------------


def update_from(message: fabric.Update) -> Update:
    """An Update of the supervisor."""
    changes = tuple(change for item in message.changes if (change := change_from(item)) is not None)
    return Update(message.revision, changes, message.snapshot, message.commit)


def change_from(message: fabric.Change) -> Change | None:
    """One change; a Refusal if it is malformed, None if it is of a kind that this version does not know."""
    kind = message.WhichOneof("change")
    if kind is None:
        return None
    body: Any = getattr(message, kind)
    if kind.startswith("remove_"):
        return Remove(kind.removeprefix("remove_"), body)
    name, convert = _SETTERS[kind]
    try:
        return replace(convert(body), wire=body.SerializeToString(deterministic=True))
    except (DvsError, ValueError) as error:
        return Refusal(name(body), str(error))


def _switch_from(message: pb.Switch) -> Switch:
    return Switch(
        message.name,
        message.domain,
        message.mtu,
        message.keep_priority_tag,
        message.snooping,
        float(message.querier_interval_s or QUERY_INTERVAL),
        message.up_delay_ms / 1000 or UP_DELAY,
        float(message.mac_aging_s),
        _DISCOVERY[message.cdp],
        _DISCOVERY[message.lldp],
        _times(message.cdp_timer_s, message.cdp_hold_s, CDP_TIMES),
        _times(message.lldp_timer_s, message.lldp_hold_s, LLDP_TIMES),
    )


def _times(timer: int, hold: int, usual: Times) -> Times:
    return Times(float(timer) or usual.interval, hold or usual.hold)


def _policy_from(message: pb.Policy) -> Policy:
    name = f"port-profile {message.profile}"
    return Policy(
        id=message.id,
        profile=message.profile,
        trunk=message.mode == pb.Policy.TRUNK,
        vlan=check_vlan(message.vlan, name, lowest=0),
        allowed=VlanSet.parse(message.allowed, name, lowest=0),
        shutdown=message.shutdown,
        forged_transmits=message.forged_transmits,
        mac_changes=message.mac_changes,
        mac_learning=message.mac_learning,
        unknown_flood=message.unknown_flood,
        mac_limit=message.mac_limit,
        mtu=message.mtu,
        promiscuous=message.promiscuous,
        limit_allow=message.mac_limit_allow,
        storm=Storm(message.storm.broadcast, message.storm.multicast, message.storm.unknown_unicast),
        team=_rules_from(message.team),
        bpdu=message.bpdu,
        channel=Channel(message.channel.mode),
        balance=Balance(message.teaming),
    )


def _rules_from(message: pb.Team) -> Rules:
    return Rules(
        active=tuple(message.active),
        standby=tuple(message.standby),
        unused=tuple(message.unused),
        failback=not message.no_failback,
        notify=not message.no_notify,
        beacon=message.beacon,
        pin=message.pin if message.HasField("pin") else None,
        pin_backup=tuple(message.pin_backup),
        balance=Balance(message.method),
    )


def _port_from(message: pb.Port) -> Port:
    return Port(
        veth=message.veth,
        policy=message.policy,
        mac=MacAddress.station(message.mac),
        nic=nic_from(message.nic),
        generation=message.generation,
        phase=Phase(message.phase),
        shutdown=message.shutdown,
        announce=message.announce,
        forward=_forward_from(message.forward) if message.HasField("forward") else None,
    )


def _forward_from(message: pb.Forward) -> Forward:
    if len(message.key) != KEY_BYTES or not message.id or not message.seconds:
        raise InvalidValue("mobility forward", "needs an id, a key of 16 bytes and a number of seconds")
    peer = parse_endpoint(message.peer) if message.peer else None
    return Forward(message.id, message.key, float(message.seconds), peer)


def _uplink_from(message: pb.Uplink) -> Uplink:
    return Uplink(message.number, message.policy, message.shutdown, message.no_cdp)


def _mode_from(message: pb.Mode) -> HostMode:
    return HostMode(ModeKind(message.kind), Tagging(message.tagging))


_SETTERS: dict[str, tuple[Callable[[Any], str], Callable[[Any], Switch | Policy | Port | Uplink | HostMode]]] = {
    "set_switch": (lambda body: f"switch {body.name}", _switch_from),
    "set_policy": (lambda body: f"policy {body.id} ({body.profile})", _policy_from),
    "set_port": (lambda body: f"vethernet {body.veth}", _port_from),
    "set_uplink": (lambda body: f"ethernet {body.number}", _uplink_from),
    "set_mode": (lambda body: "mode", _mode_from),
}

# --- to the supervisor ------------------------------------------------------------------------------------------


def digest_of(wanted: Wanted) -> str:
    """Hello.digest of a wanted state; "" when nothing is held or something had to be left out of it."""
    if not wanted.revision or wanted.refusals:
        return ""
    return wanted_digest(
        pb.Switch.FromString(wanted.switch.wire) if wanted.switch else None,
        (pb.Policy.FromString(policy.wire) for policy in wanted.policies.values()),
        (pb.Port.FromString(port.wire) for port in wanted.ports.values()),
        (pb.Uplink.FromString(uplink.wire) for uplink in wanted.uplinks.values()),
        pb.Mode.FromString(wanted.mode.wire),
    )


def snapshot_to(wanted: Wanted) -> fabric.Update:
    """The Update that brings an empty module to ``wanted`` (how state.py stores it)."""
    message = fabric.Update(revision=wanted.revision, snapshot=True, commit=True)
    if wanted.switch:
        message.changes.add(set_switch=pb.Switch.FromString(wanted.switch.wire))
    for policy in wanted.policies.values():
        message.changes.add(set_policy=pb.Policy.FromString(policy.wire))
    for port in wanted.ports.values():
        message.changes.add(set_port=pb.Port.FromString(port.wire))
    for uplink in wanted.uplinks.values():
        message.changes.add(set_uplink=pb.Uplink.FromString(uplink.wire))
    if wanted.mode.wire:
        message.changes.add(set_mode=pb.Mode.FromString(wanted.mode.wire))
    return message


def counters_to(counters: Counters, life: int = 0) -> pb.Counters:
    """Counters of one port; ``life`` as Attachment.life."""
    message = pb.Counters()
    fill_counters(message, counters, life)
    return message


def told(counters: Counters) -> Counters:
    """What the supervisor is told of a port: without what a VIS counts for the vEth."""
    if not counters.niv_rx_frames and not counters.niv_tx_frames:
        return counters
    less = {name: getattr(counters, f"niv_{name}") for name in _BY_VIS}
    less |= dict.fromkeys(("rx_forwarded", "rx_copies"), counters.niv_rx_frames)
    return replace(counters, **{name: max(0, getattr(counters, name) - count) for name, count in less.items()})


def fill_counters(message: pb.Counters, counters: Counters, life: int = 0) -> None:
    """The same, into a message that is empty (a field that is set costs more than one that is looked at)."""
    message.SetInParent()
    message.life = life
    for name, count in zip(_COUNTS, _COUNTS_OF(counters), strict=True):
        if count:
            setattr(message, name, count)
    if counters.drops_in:
        message.drops_in.update(counters.drops_in)
    if counters.drops_out:
        message.drops_out.update(counters.drops_out)


# --- both ways --------------------------------------------------------------------------------------------------


def nic_from(message: pb.Nic) -> Nic:
    """Who a NIC is."""
    return Nic(message.vm, message.index, message.vm_uuid, message.adapter)


def nic_to(nic: Nic) -> pb.Nic:
    """Who a NIC is."""
    return pb.Nic(vm=nic.vm, vm_uuid=nic.vm_uuid, index=nic.index, adapter=nic.adapter)


def plug_from(message: pb.Plug) -> Plug:
    """Where a NIC plugs in; InvalidValue if the request does not say."""
    kind = message.WhichOneof("kind")
    if kind == "wire":
        if not message.wire.local or not message.wire.remote:
            raise InvalidValue("wire", "needs a local and a remote end", "write unix:/a>unix:/b or udp:addr:port>...")
        return Plug("wire", local=message.wire.local, remote=message.wire.remote)
    device = str(getattr(message, kind)) if kind else ""
    if not device:
        raise InvalidValue("attach", "does not say where the NIC is plugged in", "give a tap, veth, raw or wire")
    return Plug(str(kind), device=device, netns=message.netns)


def plug_to(plug: Plug) -> pb.Plug:
    """Where a NIC plugs in; a memory plug (tests) has no form in the protocol."""
    if plug.kind == "wire":
        return pb.Plug(wire=pb.Wire(local=plug.local, remote=plug.remote))
    message = pb.Plug(netns=plug.netns)
    if plug.kind in ("tap", "veth", "raw"):
        setattr(message, plug.kind, plug.device)
    return message


STATE_NAMES = {
    manager.AttachReply.PENDING: "pending",
    manager.AttachReply.FORWARDING: "forwarding",
    manager.AttachReply.BLOCKED: "blocked",
    manager.AttachReply.PREPARED: "prepared",
}
