"""mgmt0 and port-channels: interfaces that hosts make, of which the operator may say little (beside interface.py).

A port-channel is what a host makes of the uplinks that have one port-profile (`channel-group auto`), so what it carries
is said there; on it stand a description and `shutdown`, which all its members obey.  mgmt0 is the interface that the
supervisor's host is reached by: its addresses are that host's and are not changed from here.
"""

from __future__ import annotations

from dataclasses import replace

from dvswitch.errors import Conflict, InvalidValue
from vsm.cli.command import Call, Command, Mode, Position
from vsm.model.interfaces import MGMT0, Ethernet, Vethernet, parse_named
from vsm.model.overrides import forget
from vsm.model.settings import NOTHING, Settings
from vsm.model.state import State
from vsm.policy.inherit import effective
from vsm.policy.ports import profile_of

_MANAGEMENT = "management"
"""The VRF that mgmt0 is in on NX-OS."""
_INTERFACE = (Mode.INTERFACE,)


def is_port(name: str) -> bool:
    """Whether frames come in by the interface, so that it may have settings."""
    return isinstance(parse_named(name), Vethernet | Ethernet)


def sayable(state: State, name: str, said: Settings) -> Settings:
    """What remains to be kept of ``said`` on an interface that is no port; Conflict for what it can't have."""
    subject = f"interface {name}"
    if name == MGMT0:
        if replace(said, shutdown=None) != NOTHING or said.shutdown:
            raise Conflict(subject, "belongs to the supervisor's host", "configure it there")
        return NOTHING
    profile = profile_of(state, name)
    if replace(said, shutdown=None) != NOTHING:
        raise Conflict(subject, "takes description and shutdown only", f"say it in port-profile {profile}")
    if said.shutdown is False and effective(state.config, profile).shutdown:
        raise Conflict(subject, f"is shut down by port-profile {profile}", "say 'no shutdown' there")
    return said if said.shutdown else NOTHING


def _refuse_removal(_state: State, _call: Call) -> State:
    raise Conflict(f"Cannot remove interface {MGMT0}", "it belongs to the supervisor's host", "use 'default interface'")


def _address(_state: State, call: Call) -> State:
    name = next(iter(call.position.interfaces), "")
    if name == MGMT0:
        raise Conflict(f"interface {name}", "has the addresses of the supervisor's host", "change them on that host")
    raise InvalidValue(f"interface {name}", "can't have an IP address: the switch does not route")


def _vrf(state: State, call: Call) -> State:
    if call["vrf"] != _MANAGEMENT or call.position.interfaces != (MGMT0,):
        raise Conflict(call.position.subject, f"can't be in vrf {call['vrf']}", f"{MGMT0} is in vrf {_MANAGEMENT}")
    return state


def _no_vrf(state: State, call: Call) -> State:
    if MGMT0 in call.position.interfaces:
        raise Conflict(f"interface {MGMT0}", f"can't leave vrf {_MANAGEMENT}")
    return state


def _switchport(state: State, call: Call) -> State:
    if MGMT0 in call.position.interfaces:
        raise Conflict(f"interface {MGMT0}", "belongs to the supervisor's host", "configure it there")
    return state


def _no_switchport(_state: State, call: Call) -> State:
    raise InvalidValue(call.position.subject, "can't be a routed port: the switch does not route")


MGMT_HEADER = Command(
    modes=(Mode.CONFIG,),
    syntax="interface {mgmt0 | mgmt 0}",
    help="Describe the supervisor's own interface",
    edit=lambda state, _call: state,
    enter=lambda _call: Position(Mode.INTERFACE, interfaces=(MGMT0,)),
    no="interface {mgmt0 | mgmt 0}",
    undo=_refuse_removal,
    reset=lambda state, _call: forget(state, MGMT0),
    words={"0": "Interface mgmt0", "interface": "Configure interfaces"},
)

ROWS: tuple[Command, ...] = (
    Command(
        modes=_INTERFACE,
        syntax="ip address <rest:text>",
        help="Address of an interface: mgmt0 has those of the supervisor's host",
        edit=_address,
        no="ip address [<rest:text>]",
        undo=_address,
        words={"address": "IP address"},
    ),
    Command(
        modes=_INTERFACE,
        syntax="vrf member <vrf:word>",
        help="VRF of the interface: mgmt0 is in vrf management",
        edit=_vrf,
        no="vrf member [<vrf:word>]",
        undo=_no_vrf,
        words={"vrf": "Tables of routes", "member": "What it is in", "<vrf>": "Name of the vrf"},
    ),
    Command(
        modes=(Mode.PROFILE, Mode.INTERFACE),
        syntax="switchport",
        help="Carry vlans, as every port of the switch does",
        edit=_switchport,
        no="switchport",
        undo=_no_switchport,
        reset=lambda state, _call: state,
    ),
)
