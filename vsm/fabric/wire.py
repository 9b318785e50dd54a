"""The only place where the fabric's protobuf messages and the supervisor's own types meet.

Reading checks what a module says (InvalidValue names the field), so that nothing behind it has to; writing never fails.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from operator import attrgetter

from dvswitch.digest import wanted_digest
from dvswitch.errors import InvalidValue
from dvswitch.mac import MacAddress
from dvswitch.v1 import fabric_pb2, types_pb2
from vsm.config.lines import said_lines
from vsm.events.bus import News
from vsm.mobility.reports import AttachReport
from vsm.model.interfaces import MAX_UPLINK, Ethernet, Vethernet
from vsm.model.migration import Carried, Move
from vsm.model.niv import HostMode, ModeKind, Role
from vsm.model.settings import ChannelMode
from vsm.model.state import Module, Nic, Uplink
from vsm.policy.difference import (
    RemovePolicy,
    RemovePort,
    RemoveUplink,
    SetMode,
    SetPolicy,
    SetPort,
    SetSwitch,
    SetUplink,
    WantedChange,
)
from vsm.policy.wanted import ForwardSpec, PolicySpec, PortSpec, StormSpec, SwitchSpec, TeamSpec, UplinkSpec, Wanted
from vsm.runtime import Counters, MacRow, PortStatus

PROTOCOL = 1
CHANGES_PER_UPDATE = 2000
"""Keeps an Update well below gRPC's message limit of 4 MiB."""
MAX_CARRIED, MAX_CARRIED_BYTES = 16, 192 << 10
"""Kinds of state that follow a port, and bytes of each; together they fit into one message."""
_MODES = {types_pb2.Mode.Kind.Value(kind.name): kind for kind in ModeKind if kind is not ModeKind.DVS}
_CARRIED_KIND = re.compile("[a-z0-9-]{1,32}")
_COUNTER_FIELDS = (
    "rx_frames", "rx_bytes", "rx_multicast", "rx_broadcast", "rx_forwarded", "rx_copies",
    "tx_frames", "tx_bytes", "tx_multicast", "tx_broadcast", "tx_flooded",
)  # fmt: skip
_COUNTERS_OF = attrgetter(*_COUNTER_FIELDS)
"""In the order of the fields of vsm.runtime.Counters."""

# ---- down: what modules are told


def updates(
    revision: int, changes: Iterable[WantedChange], snapshot: bool = False
) -> Iterator[fabric_pb2.SupervisorMessage]:
    """The Update messages that bring these changes; the last one commits."""
    wire = [_change(change) for change in changes]
    starts = range(0, max(len(wire), 1), CHANGES_PER_UPDATE)
    for start in starts:
        yield fabric_pb2.SupervisorMessage(
            update=fabric_pb2.Update(
                revision=revision,
                snapshot=snapshot and start == 0,
                commit=start == starts[-1],
                changes=wire[start : start + CHANGES_PER_UPDATE],
            )
        )


def digest(wanted: Wanted) -> str:
    """The fingerprint a module that holds ``wanted`` tells in its Hello."""
    return wanted_digest(
        _switch(wanted.switch),
        map(_policy, wanted.policies.values()),
        map(_port, wanted.ports.values()),
        map(_uplink, wanted.uplinks.values()),
        _mode(wanted.mode),
    )


def nic_message(nic: Nic) -> types_pb2.Nic:
    """A NIC as the protocol tells it."""
    return types_pb2.Nic(vm=nic.vm, vm_uuid=nic.vm_uuid, index=nic.index, adapter=nic.adapter)


def counters_message(counters: Counters) -> types_pb2.Counters:
    """Counters as the protocol tells them."""
    message = types_pb2.Counters(**{name: getattr(counters, name) for name in _COUNTER_FIELDS})
    message.drops_in.update(counters.drops_in)
    message.drops_out.update(counters.drops_out)
    return message


def install(move: Move) -> fabric_pb2.SupervisorMessage:
    """What the port of a move goes on with where it lives now."""
    carried = [
        fabric_pb2.CarriedState(kind=part.kind, version=part.version, data=b64decode(part.data))
        for part in move.carried
    ]
    told = fabric_pb2.InstallState(veth=move.veth, generation=move.generation, carried=carried)
    return fabric_pb2.SupervisorMessage(install=told)


def _change(change: WantedChange) -> fabric_pb2.Change:
    match change:
        case SetSwitch(switch):
            return fabric_pb2.Change(set_switch=_switch(switch))
        case SetMode(mode):
            return fabric_pb2.Change(set_mode=_mode(mode))
        case SetPolicy(policy):
            return fabric_pb2.Change(set_policy=_policy(policy))
        case SetPort(port):
            return fabric_pb2.Change(set_port=_port(port))
        case SetUplink(uplink):
            return fabric_pb2.Change(set_uplink=_uplink(uplink))
        case RemovePort(veth):
            return fabric_pb2.Change(remove_port=veth)
        case RemovePolicy(policy_id):
            return fabric_pb2.Change(remove_policy=policy_id)
        case RemoveUplink(number):
            return fabric_pb2.Change(remove_uplink=number)


def _switch(switch: SwitchSpec) -> types_pb2.Switch:
    return types_pb2.Switch(
        name=switch.name,
        domain=switch.domain,
        mtu=switch.mtu,
        keep_priority_tag=switch.keep_priority_tag,
        snooping=switch.snooping,
        querier_interval_s=switch.query_interval,
        up_delay_ms=switch.up_delay,
        mac_aging_s=switch.mac_aging,
        cdp=switch.cdp.name,
        lldp=switch.lldp.name,
        cdp_timer_s=switch.cdp_timer,
        cdp_hold_s=switch.cdp_hold,
        lldp_timer_s=switch.lldp_timer,
        lldp_hold_s=switch.lldp_hold,
    )


def _mode(mode: HostMode) -> types_pb2.Mode:
    return types_pb2.Mode(kind=mode.kind.name, tagging=mode.tagging.name)


def _policy(policy: PolicySpec) -> types_pb2.Policy:
    return types_pb2.Policy(
        id=policy.id,
        profile=policy.profile,
        mode=types_pb2.Policy.TRUNK if policy.trunk else types_pb2.Policy.ACCESS,
        vlan=policy.vlan,
        allowed=str(policy.allowed) if policy.allowed else "",
        shutdown=policy.shutdown,
        forged_transmits=policy.forged_transmits,
        mac_changes=policy.mac_changes,
        mac_learning=policy.mac_learning,
        unknown_flood=policy.unknown_flood,
        mac_limit=policy.mac_limit,
        mtu=policy.mtu,
        promiscuous=policy.promiscuous,
        mac_limit_allow=policy.mac_limit_allow,
        bpdu=policy.bpdu,
        storm=_storm(policy.storm),
        team=_team(policy.team),
        channel=_channel(policy.channel),
        lines=_lines(policy),
    )


def _lines(policy: PolicySpec) -> list[types_pb2.Policy.Line]:
    """Who says what, sorted, so that equal policies are equal on the wire."""
    lines = sorted(said_lines(policy.layers), key=lambda line: line.setting)
    said = [types_pb2.Policy.Line(setting=line.setting, where=line.where, text=line.text) for line in lines]
    where, text = policy.blocked
    return [*said, *([types_pb2.Policy.Line(setting="blocked", where=where, text=text)] if text else [])]


def _storm(storm: StormSpec) -> types_pb2.Storm | None:
    if storm == StormSpec():
        return None
    return types_pb2.Storm(broadcast=storm.broadcast, multicast=storm.multicast, unknown_unicast=storm.unknown_unicast)


def _team(team: TeamSpec) -> types_pb2.Team | None:
    if team == TeamSpec():
        return None
    return types_pb2.Team(
        active=team.active,
        standby=team.standby,
        unused=team.unused,
        no_failback=not team.failback,
        no_notify=not team.notify,
        beacon=team.beacon,
        pin=team.pin,
        pin_backup=team.pin_backup,
        method=team.method.name,
    )


def _channel(mode: ChannelMode) -> types_pb2.ChannelGroup | None:
    if mode is ChannelMode.NONE:
        return None
    return types_pb2.ChannelGroup(mode=mode.name)


def _port(port: PortSpec) -> types_pb2.Port:
    return types_pb2.Port(
        veth=port.veth,
        policy=port.policy,
        mac=str(port.mac),
        nic=nic_message(port.nic),
        generation=port.generation,
        phase=types_pb2.Port.Phase.Name(port.phase.value),
        shutdown=port.shutdown,
        announce=port.announce,
        forward=_forward(port.forward),
    )


def _forward(forward: ForwardSpec | None) -> types_pb2.Forward | None:
    if forward is None:
        return None
    return types_pb2.Forward(id=forward.id, key=forward.key, seconds=forward.seconds, peer=forward.peer)


def _uplink(uplink: UplinkSpec) -> types_pb2.Uplink:
    return types_pb2.Uplink(number=uplink.number, policy=uplink.policy, shutdown=uplink.shutdown, no_cdp=uplink.no_cdp)


# ---- up: what modules report


def read_module(hello: fabric_pb2.Hello) -> Module:
    """Who says hello; its slot is not known yet (0)."""
    if hello.protocol != PROTOCOL:
        raise InvalidValue(
            f"module {hello.host_name or hello.host_uuid}",
            f"speaks protocol {hello.protocol}, this supervisor {PROTOCOL}",
            "install the same version on both",
        )
    return Module(
        slot=0,
        host_uuid=hello.host_uuid,
        host_name=hello.host_name,
        type="VIS" if hello.type == fabric_pb2.Hello.VIS else "VEM",
        engine=hello.engine,
        version=hello.version,
        system=hello.system,
        address=hello.address,
        max_ports=hello.max_ports,
        mobility=hello.mobility,
        modes=tuple(kind for number, kind in _MODES.items() if number in hello.modes),
    )


def role(hello: fabric_pb2.Hello) -> Role:
    """Who says hello; InvalidValue if this supervisor knows no such role."""
    try:
        return Role(hello.role)
    except ValueError:
        raise InvalidValue(f"module {hello.host_uuid}", f"speaks in role {hello.role}, which is not known") from None


def read_nic(nic: types_pb2.Nic) -> Nic:
    """A NIC's identity; InvalidValue if it names no VM."""
    if not nic.vm and not nic.vm_uuid:
        raise InvalidValue("NIC", "names no VM", "set nic.vm or nic.vm_uuid")
    return Nic(vm=nic.vm or nic.vm_uuid, index=nic.index, adapter=nic.adapter, vm_uuid=nic.vm_uuid)


def read_attached(slot: int, message: fabric_pb2.PortAttached, time: float = 0.0) -> AttachReport:
    """A plugged NIC as the module in ``slot`` reports it at that (Unix) time."""
    return AttachReport(
        slot=slot,
        nic=read_nic(message.nic),
        mac=MacAddress.station(message.mac),
        profile=message.profile,
        prepare=message.prepare,
        veth=message.veth,
        generation=message.generation,
        time=time,
    )


def read_uplink(slot: int, message: fabric_pb2.UplinkState) -> Uplink:
    """An uplink as the module in ``slot`` reports it."""
    if not 1 <= message.number <= MAX_UPLINK:
        raise InvalidValue(f"ethernet {slot}/{message.number}", f"number is out of range 1-{MAX_UPLINK}")
    return Uplink(slot, message.number, message.adapter, message.profile, message.link_up, message.present, message.mac)


def read_counters(message: types_pb2.Counters) -> Counters:
    """Counters as own type."""
    drops_in, drops_out = dict(message.drops_in), dict(message.drops_out)
    return Counters(*_COUNTERS_OF(message), drops_in=drops_in, drops_out=drops_out)  # type: ignore[misc]


def read_port_name(slot: int, message: fabric_pb2.PortCounters | fabric_pb2.LearnedMac) -> str:
    """The interface that a report of the module in ``slot`` is about; InvalidValue if there can be none such."""
    if message.WhichOneof("port") == "uplink":
        return Ethernet(slot, message.uplink).full
    return Vethernet(message.veth).full


def read_port_status(message: fabric_pb2.PortState) -> PortStatus:
    """Link and forwarding state of a vEth."""
    Vethernet(message.veth)
    return PortStatus(message.link_up, message.forwarding, message.pinned_uplink)


def read_event(slot: int, message: fabric_pb2.LogEvent) -> News:
    """Something that a module reports; InvalidValue if it is not worded as it must be."""
    if not re.fullmatch("[a-z][a-z_]{0,31}", message.kind):
        raise InvalidValue(f"event kind '{message.kind[:40]}'", "is not a word of at most 32 letters")
    if not message.text.isprintable() or not message.object.isprintable():
        raise InvalidValue(f"event {message.kind}", "holds characters that can't be printed")
    subject = message.object[:80] or f"module {slot}"
    return News("host", subject, message.kind, f"Module {slot}: {message.text[:300]}", message.veth)


def read_carried(message: fabric_pb2.PortDrained) -> tuple[Carried, ...]:
    """What a drained port left behind; InvalidValue if it is more than anybody should have to keep."""
    if len(message.carried) > MAX_CARRIED or any(len(part.data) > MAX_CARRIED_BYTES for part in message.carried):
        problem = f"leaves more than {MAX_CARRIED} kinds of state, or more than {MAX_CARRIED_BYTES} bytes of one"
        raise InvalidValue(f"vethernet {message.veth}", problem)
    for part in message.carried:
        if not _CARRIED_KIND.fullmatch(part.kind):
            raise InvalidValue(
                f"vethernet {message.veth}", f"leaves a state of kind '{part.kind[:40]}'", "see fabric.proto"
            )
    return tuple(Carried(part.kind, part.version, b64encode(part.data).decode()) for part in message.carried)


def read_macs(slot: int, message: fabric_pb2.MacReport) -> list[MacRow]:
    """The addresses that a module has learned."""
    return [
        MacRow(mac.vlan, MacAddress.parse(mac.mac), False, mac.age_s, read_port_name(slot, mac), slot)
        for mac in message.macs
    ]
