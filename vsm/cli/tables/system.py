"""The switch as a whole: its name, domain and MTU, and the slots of its hosts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from dvswitch.errors import Conflict
from dvswitch.lldp_agent import Mode as DiscoveryMode
from vsm.cli.command import Call, Command, Edit, Mode, Position, unsupported
from vsm.cli.tables import guards, mobility, modes
from vsm.model.cards import forgotten
from vsm.model.channels import with_channels
from vsm.model.state import Config, State, VemSlot

CONFIG = (Mode.CONFIG,)


def _set(**attributes: Callable[[Call], Any]) -> Edit:
    """An edit that sets these attributes of the Config, each from the call."""

    def edit(state: State, call: Call) -> State:
        values = {name: value(call) for name, value in attributes.items()}
        return replace(state, config=replace(state.config, **values))

    return edit


def _bind(state: State, call: Call) -> State:
    """Give the slot to a host; what was known of the host that had it before is forgotten."""
    slot, host = call.position.slot, call["uuid"]
    known = state.config.slots.get(slot)
    if known and known.host_uuid == host:
        return state
    if known:
        _not_connected(call, slot, f"vem {slot}", f"is in use by host {known.host_uuid}")
    config = replace(state.config, slots={**state.config.slots, slot: VemSlot(slot, host)})
    state = replace(state, config=config)
    module = state.inventory.modules.get(slot)
    return _without_module(state, slot) if module and module.host_uuid != host else state


def _unbind(state: State, call: Call) -> State:
    slot = call["slot"]
    subject = f"Cannot remove vem {slot}"
    if slot not in state.config.slots:
        return state
    if veth := next((veth for veth in state.inventory.veths.values() if veth.slot == slot), None):
        raise Conflict(subject, f"in use by interface Vethernet{veth.number}", "move or detach its NICs first")
    _not_connected(call, slot, subject, "the host is connected")
    slots = {number: other for number, other in state.config.slots.items() if number != slot}
    return _without_module(replace(state, config=replace(state.config, slots=slots)), slot)


def _not_connected(call: Call, slot: int, subject: str, problem: str) -> None:
    status = call.runtime.module(slot) if call.runtime else None
    if status and status.connected:
        raise Conflict(subject, problem, "stop the agent on the host first")
    card = call.runtime.card(slot) if call.runtime else None
    if card and card.connected:
        raise Conflict(subject, "its card is connected", "say 'mode dvs' there first")


def _without_module(state: State, slot: int) -> State:
    state = forgotten(state, slot)
    inventory = state.inventory
    modules = {number: module for number, module in inventory.modules.items() if number != slot}
    uplinks = {key: uplink for key, uplink in inventory.uplinks.items() if key[0] != slot}
    channels = {key: number for key, number in inventory.channels.items() if key[0] != slot}
    return with_channels(replace(state, inventory=replace(inventory, modules=modules, uplinks=uplinks)), channels)


def _domain_note(state: State, _call: Call) -> str:
    if not state.inventory.modules:
        return ""
    return f"Warning: hosts that are set to another domain than {state.config.domain} are refused when they reconnect"


def _mode(call: Call) -> DiscoveryMode:
    return next((mode for mode in DiscoveryMode if call.has(mode.value)), DiscoveryMode.BOTH)


def _discovery(protocol: str, name: str) -> Command:
    """The row of a protocol by which neighbours find each other; `no` switches it off, whatever the default is."""
    usual: DiscoveryMode = getattr(Config(), protocol)

    def render(config: Config) -> list[str]:
        return [] if getattr(config, protocol) is usual else always(config)

    def always(config: Config) -> list[str]:
        mode: DiscoveryMode = getattr(config, protocol)
        if mode is DiscoveryMode.NONE:
            return [f"no {protocol} enable"]
        return [f"{protocol} {'enable' if mode is DiscoveryMode.BOTH else mode.value}"]

    return Command(
        modes=CONFIG,
        syntax=f"{protocol} {{enable | listen | advertise}}",
        help=f"Find neighbours of hosts' uplinks by {name}, and be found; or one of the two",
        edit=_set(**{protocol: _mode}),
        no=f"{protocol} [enable | listen | advertise]",
        undo=_set(**{protocol: lambda _call: DiscoveryMode.NONE}),
        reset=_set(**{protocol: lambda _call: usual}),
        render=render,
        always=always,
        words={"enable": "Listen and advertise"},
    )


_TIMERS = (
    ("timer", "timer", "5-254", "Set the seconds between announcements"),
    ("holdtime", "hold", "10-255", "Set the seconds for which neighbours may believe an announcement"),
)
"""Word, end of the attribute's name, range, help."""


def _timer(protocol: str, word: str, attribute: str, span: str, text: str) -> Command:
    name = f"{protocol}_{attribute}"
    usual = getattr(Config(), name)
    return Command(
        modes=CONFIG,
        syntax=f"{protocol} {word} <seconds:{span}>",
        help=f"{text} by {protocol.upper()}",
        edit=_set(**{name: lambda call: call["seconds"]}),
        no=f"{protocol} {word} [<seconds:{span}>]",
        undo=_set(**{name: lambda _call: usual}),
        render=lambda config: [f"{protocol} {word} {getattr(config, name)}"] if getattr(config, name) != usual else [],
        always=lambda config: [f"{protocol} {word} {getattr(config, name)}"],
        note=lambda state, _call: _short_lived(state.config, protocol),
    )


def _short_lived(config: Config, protocol: str) -> str:
    timer, hold = getattr(config, f"{protocol}_timer"), getattr(config, f"{protocol}_hold")
    if hold > timer:
        return ""
    return f"Warning: neighbours forget what {protocol.upper()} says after {hold} s and hear it every {timer} s"


_ALWAYS_ON = ("lacp", "lldp")


def _feature_off(state: State, call: Call) -> State:
    if call["name"] in _ALWAYS_ON:
        raise Conflict(f"feature {call['name']}", "can't be disabled")
    return state


_UP_DELAY = "<delay:1-600000>"
_QUERY = "<interval:32-3600>"
_AGING = "<seconds:10-918000>"
_PREFIX = "<prefix:mac-prefix>"

SYSTEM: tuple[Command, ...] = (
    Command(
        modes=CONFIG,
        syntax="hostname <name:hostname>",
        help="Set the name of the switch",
        edit=_set(hostname=lambda call: call["name"]),
        no="hostname [<name:hostname>]",
        undo=_set(hostname=lambda _call: Config().hostname),
        render=lambda config: [f"hostname {config.hostname}"],
    ),
    Command(
        modes=CONFIG,
        syntax="feature {lacp | lldp}",
        help="Enable a feature; these are always enabled",
        edit=lambda state, _call: state,
    ),
    Command(
        modes=CONFIG,
        syntax="feature <name:word>",
        help="Enable another feature",
        edit=unsupported("this feature"),
        no="feature <name:word>",
        undo=_feature_off,
    ),
    Command(
        modes=CONFIG,
        syntax="system mtu <mtu:1280-9190>",
        help="Set the largest frame payload that the switch forwards, in bytes",
        edit=_set(mtu=lambda call: call["mtu"]),
        no="system mtu [<mtu:1280-9190>]",
        undo=_set(mtu=lambda _call: Config().mtu),
        render=lambda config: [f"system mtu {config.mtu}"] if config.mtu != Config().mtu else [],
        always=lambda config: [f"system mtu {config.mtu}"],
    ),
    Command(
        modes=CONFIG,
        syntax="system priority-tag keep",
        help="Deliver priority tags (802.1p with vlan 0) to guests instead of removing them",
        edit=_set(keep_priority_tag=lambda _call: True),
        no="system priority-tag [keep]",
        undo=_set(keep_priority_tag=lambda _call: False),
        render=lambda config: ["system priority-tag keep"] if config.keep_priority_tag else [],
        always=lambda config: [f"{'' if config.keep_priority_tag else 'no '}system priority-tag keep"],
    ),
    *guards.SWITCH_WIDE,
    mobility.SWITCH_WIDE,
    _discovery("cdp", "CDP"),
    _discovery("lldp", "LLDP"),
    *(_timer(protocol, *row) for protocol in ("cdp", "lldp") for row in _TIMERS),
    Command(
        modes=CONFIG,
        syntax=f"mac address-table aging-time {_AGING}",
        help="Forget learned MAC addresses that were not seen for so many seconds",
        edit=_set(mac_aging=lambda call: call["seconds"]),
        no=f"mac address-table aging-time [{_AGING}]",
        undo=_set(mac_aging=lambda _call: Config().mac_aging),
        render=lambda config: [f"mac address-table aging-time {config.mac_aging}"] if config.mac_aging else [],
    ),
    Command(
        modes=CONFIG,
        syntax=f"mac pool prefix {_PREFIX}",
        help="Set how the MAC addresses begin that are made for NICs from now on",
        edit=_set(mac_prefix=lambda call: call["prefix"]),
        no=f"mac pool prefix [{_PREFIX}]",
        undo=_set(mac_prefix=lambda _call: Config().mac_prefix),
        render=lambda config: (
            [f"mac pool prefix {config.mac_prefix}"] if config.mac_prefix != Config().mac_prefix else []
        ),
        always=lambda config: [f"mac pool prefix {config.mac_prefix}"],
    ),
    Command(
        modes=CONFIG,
        syntax="ip igmp snooping",
        help="Deliver multicast to the ports that asked for it, by IGMP and MLD",
        edit=_set(snooping=lambda _call: True),
        no="ip igmp snooping",
        undo=_set(snooping=lambda _call: False),
        render=lambda config: ["ip igmp snooping"] if config.snooping else [],
        always=lambda config: [f"{'' if config.snooping else 'no '}ip igmp snooping"],
    ),
    Command(
        modes=CONFIG,
        syntax=f"ip igmp snooping query-interval {_QUERY}",
        help="Set the seconds between queries where no querier is seen",
        edit=_set(query_interval=lambda call: call["interval"]),
        no=f"ip igmp snooping query-interval [{_QUERY}]",
        undo=_set(query_interval=lambda _call: Config().query_interval),
        render=lambda config: (
            [f"ip igmp snooping query-interval {config.query_interval}"]
            if config.query_interval != Config().query_interval
            else []
        ),
        always=lambda config: [f"ip igmp snooping query-interval {config.query_interval}"],
    ),
    Command(
        modes=CONFIG,
        syntax=f"teaming up-delay {_UP_DELAY}",
        help="Set the milliseconds that an uplink must be up before it is used again",
        edit=_set(up_delay=lambda call: call["delay"]),
        no=f"teaming up-delay [{_UP_DELAY}]",
        undo=_set(up_delay=lambda _call: Config().up_delay),
        render=lambda config: [f"teaming up-delay {config.up_delay}"] if config.up_delay != Config().up_delay else [],
        always=lambda config: [f"teaming up-delay {config.up_delay}"],
    ),
)

VEM_HEADER = Command(
    modes=CONFIG,
    syntax="vem <slot:3-66>",
    help="Configure the slot of a host",
    enter=lambda call: Position(Mode.VEM, slot=call["slot"]),
    no="vem <slot:3-66>",
    undo=_unbind,
    render=lambda slot: [f"vem {slot.slot}"],
    words={"<slot>": "Slot number"},
)

VEM: tuple[Command, ...] = (
    Command(
        modes=(Mode.VEM,),
        syntax="host {id | vmware id} <uuid:uuid>",
        help="Bind the slot to a host",
        edit=_bind,
        render=lambda slot: [f"host id {slot.host_uuid}"],
    ),
    modes.MODE,
)

SVS_HEADER = Command(
    modes=CONFIG,
    syntax="svs-domain",
    help="Configure the domain that the switch's hosts belong to",
    enter=lambda _call: Position(Mode.SVS_DOMAIN),
    render=lambda _config: ["svs-domain"],
)

SVS_DOMAIN: tuple[Command, ...] = (
    Command(
        modes=(Mode.SVS_DOMAIN,),
        syntax="domain id <domain:1-4095>",
        help="Set the domain id; hosts of another domain are refused",
        edit=_set(domain=lambda call: call["domain"]),
        no="domain id [<domain:1-4095>]",
        undo=_set(domain=lambda _call: Config().domain),
        render=lambda config: [f"domain id {config.domain}"],
        note=_domain_note,
        words={"id": "Number of the domain", "<domain>": "Domain id"},
    ),
    Command(
        modes=(Mode.SVS_DOMAIN,),
        syntax="{control | packet} vlan <vlan:vlan-id>",
        help="Reach the hosts over a vlan of their own",
        edit=unsupported("layer 2 control"),
        no="{control | packet} vlan [<vlan:vlan-id>]",
        undo=lambda state, _call: state,
    ),
    Command(
        modes=(Mode.SVS_DOMAIN,),
        syntax="svs mode L3 interface mgmt0",
        help="Reach the hosts over IP, as it is always done",
        edit=lambda state, _call: state,
    ),
    Command(
        modes=(Mode.SVS_DOMAIN,),
        syntax="svs mode {L2 | L3 interface control0}",
        help="Choose how hosts are reached",
        edit=unsupported("svs mode other than L3 interface mgmt0"),
    ),
)
