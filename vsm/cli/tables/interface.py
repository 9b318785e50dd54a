"""Interfaces: hosts report vEths and uplinks; here the operator says what differs from their profile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from dvswitch.errors import Conflict, NotFound
from dvswitch.mac import MacAddress
from vsm.cli.command import Call, Command, Mode, Position
from vsm.model.channels import channel_key
from vsm.model.interfaces import MGMT0, Named, PortChannel, Vethernet, parse_named
from vsm.model.macs import given_back
from vsm.model.overrides import describe, forget
from vsm.model.settings import NOTHING, Settings
from vsm.model.state import State
from vsm.policy.check import NO_CHANNEL
from vsm.policy.ports import automatic_description, description, profile_of

INTERFACE = (Mode.INTERFACE,)
_RANGE = (
    "{vethernet <interfaces:veth-range> | ethernet <interfaces:port-range> | port-channel <interfaces:channel-range> "
    "| <interfaces:interface-range>}"
)
_WORDS = {"vethernet": "Virtual ports", "ethernet": "Uplinks", "interface": "Configure interfaces"}


@dataclass(frozen=True, slots=True)
class InterfaceSubject:
    """An interface as the rows of INTERFACE mode render it."""

    name: str
    profile: str
    description: str
    settings: Settings
    mac: MacAddress | None


def subject_of(state: State, name: str) -> InterfaceSubject:
    """What the running configuration says about an interface."""
    interface = parse_named(name)
    veth = state.inventory.veths.get(interface.number) if isinstance(interface, Vethernet) else None
    settings = state.config.overrides.get(name, NOTHING)
    mac = veth.mac if veth else None
    return InterfaceSubject(name, profile_of(state, name), description(state, name), settings, mac)


def _names(call: Call) -> tuple[str, ...]:
    interfaces: tuple[Named, ...] = call["interfaces"]
    return tuple(interface.full for interface in interfaces)


def _must_exist(state: State, call: Call) -> State:
    """vEths are made by attaching NICs; an uplink may be configured before its host has come."""
    for interface in call["interfaces"]:
        if isinstance(interface, Vethernet) and interface.number not in state.inventory.veths:
            raise NotFound(f"interface {interface.full}", "does not exist", "a vEth appears when a NIC is attached")
        if isinstance(interface, PortChannel) and channel_key(state, interface.full) is None:
            raise NotFound(f"interface {interface.full}", "does not exist", NO_CHANNEL)
    return state


def _remove(state: State, call: Call) -> State:
    for interface in call["interfaces"]:
        if not isinstance(interface, Vethernet):
            what = "its host makes it of uplinks" if isinstance(interface, PortChannel) else "it is a physical NIC"
            raise Conflict(f"Cannot remove interface {interface.full}", what, "use 'default interface'")
        state = _remove_veth(state, interface)
    return state


def _remove_veth(state: State, interface: Vethernet) -> State:
    veth = state.inventory.veths.get(interface.number)
    if veth is None:
        return state
    if veth.slot is not None or interface.number in state.inventory.moves:
        where = f"attached on module {veth.slot} by {veth.nic.vm}"
        raise Conflict(f"Cannot remove interface {interface.full}", where, "detach the NIC first")
    state = forget(state, interface.full)
    veths = {number: other for number, other in state.inventory.veths.items() if number != interface.number}
    state = replace(state, inventory=replace(state.inventory, veths=veths))
    lease = state.inventory.mac_leases.get(veth.nic.key)
    return given_back(state, veth.nic) if lease and lease.mac == veth.mac else state


def _reset(state: State, call: Call) -> State:
    for name in _names(call):
        state = forget(state, name)
    return state


def _describe(state: State, call: Call) -> State:
    text = call["text"]
    for name in call.position.interfaces:
        # The automatic text is shown in the running configuration; reading that back must not freeze it.
        state = describe(state, name, "" if text == automatic_description(state, name) else text)
    return state


def _no_description(state: State, call: Call) -> State:
    for name in call.position.interfaces:
        state = describe(state, name, "")
    return state


def _inherit(state: State, call: Call) -> State:
    for name in call.position.interfaces:
        if name == MGMT0:
            raise Conflict(f"interface {name}", "takes no port-profile: it is no port of the switch")
        bound = profile_of(state, name)
        if bound != call["profile"]:
            who = "its manager" if name.startswith("V") else "its host"
            told = f"is bound to port-profile {bound} by {who}" if bound else f"gets its port-profile from {who}"
            raise Conflict(f"interface {name}", told, "change it there")
    return state


def _no_inherit(state: State, call: Call) -> State:
    for name in call.position.interfaces:
        if bound := profile_of(state, name):
            raise Conflict(
                f"interface {name}", f"is bound to port-profile {bound}", "change it where the NIC is managed"
            )
    return state


def _mac(state: State, call: Call) -> State:
    for name in call.position.interfaces:
        if subject_of(state, name).mac != call["mac"]:
            raise Conflict(f"interface {name}", "the MAC address of a vNIC is set by its manager")
    return state


def _header(subject: InterfaceSubject) -> Iterator[str]:
    yield f"interface {subject.name}"


def _show_inherit(subject: InterfaceSubject) -> Iterator[str]:
    if subject.profile:
        yield f"inherit port-profile {subject.profile}"


def _show_description(subject: InterfaceSubject) -> Iterator[str]:
    if subject.description:
        yield f"description {subject.description}"


def _show_mac(subject: InterfaceSubject) -> Iterator[str]:
    if subject.mac:
        yield f"vm mac {subject.mac.dotted}"


HEADER = Command(
    modes=(Mode.CONFIG,),
    syntax=f"interface {_RANGE}",
    help="Configure interfaces",
    edit=_must_exist,
    enter=lambda call: Position(Mode.INTERFACE, interfaces=_names(call)),
    no=f"interface {_RANGE}",
    undo=_remove,
    reset=_reset,
    render=_header,
    words=_WORDS,
)

BEFORE_SETTINGS: tuple[Command, ...] = (
    Command(
        modes=INTERFACE,
        syntax="inherit port-profile <profile:profile>",
        help="The port-profile, as assigned by the manager or host",
        edit=_inherit,
        no="inherit port-profile [<profile:profile>]",
        undo=_no_inherit,
        render=_show_inherit,
        words={"port-profile": "The profile assigned"},
    ),
    Command(
        modes=INTERFACE,
        syntax="description <text:text>",
        help="Describe the interface",
        edit=_describe,
        no="description [<text:text>]",
        undo=_no_description,
        render=_show_description,
    ),
)

AFTER_SETTINGS: tuple[Command, ...] = (
    Command(
        modes=INTERFACE,
        syntax="vm mac <mac:mac>",
        help="The vNIC's MAC address, as set by its manager",
        edit=_mac,
        render=_show_mac,
    ),
)
