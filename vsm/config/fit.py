"""What of a saved configuration still fits: hosts come and go and NICs are plugged while texts lie in files.

Assigning NICs to profiles is the managers' business and slots are the hosts' for as long as they exist, so a text can't
change them.  Rules of vsm.config.parse.replace_with:

* an interface section of a vEth or port-channel that is gone, or of a vEth whose number another NIC has by now, is left
  out;
* `inherit port-profile` and `vm mac` of interfaces only say what was so;
* a slot whose host has joined stays with that host; a text that gives it to another is refused;
* a profile in use must stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from dvswitch.errors import Conflict, InvalidValue
from dvswitch.mac import MacAddress
from vsm.model.interfaces import PortChannel, Vethernet, parse_named
from vsm.model.state import PortProfile, State
from vsm.policy.ports import interfaces, profile_of

if TYPE_CHECKING:
    from vsm.config.parse import Line

_HEADER = re.compile(r"interface ((?:vethernet|port-channel) ?\d{1,7})", re.IGNORECASE)
_MAC = re.compile(r"\s*vm mac (\S+)\s*", re.IGNORECASE)
_OBSERVED = re.compile(r"\s+(vm mac|inherit port-profile) ", re.IGNORECASE)


def without_strangers(lines: Iterable[Line], base: State, remarks: list[str]) -> Iterator[Line]:
    """The lines that still concern what exists; what is left out is told in ``remarks``."""
    for section in _sections(lines):
        found = _HEADER.fullmatch(section[0].text.strip())
        stranger = found and _stranger(found[1], section[1:], base)
        if stranger:
            remarks.append(stranger)
        elif section[0].text.lower().startswith("interface "):
            yield from (line for line in section if not _OBSERVED.match(line.text))
        else:
            yield from section


def keep_slots(state: State, base: State, remarks: list[str]) -> State:
    """Slots of hosts that have joined, or where vEths are, stay as they are in ``base``."""
    used = {*base.inventory.modules, *(veth.slot for veth in base.inventory.veths.values())}
    slots = dict(state.config.slots)
    for number, known in base.config.slots.items():
        if number not in used or (number in slots and slots[number].host_uuid == known.host_uuid):
            continue
        elsewhere = [slot.slot for slot in slots.values() if slot.host_uuid == known.host_uuid]
        if number in slots or elsewhere:
            told = f"is in use by host {known.host_uuid}"
            raise Conflict(f"vem {elsewhere[0] if elsewhere else number}", told, f"its slot is {number}; correct that")
        slots[number] = known
        remarks.append(f"vem {number} is kept: its host has joined")
    return replace(state, config=replace(state.config, slots=slots))


def keep_profiles(state: State, base: State, remarks: list[str] | None) -> State:
    """Profiles in use must stay: Conflict, or with ``remarks`` they are kept as they are in ``base``."""
    profiles = dict(state.config.profiles)
    for name in interfaces(base):
        known = base.config.profiles.get(profile_of(base, name))
        if known is None or (known.name in profiles and profiles[known.name].type is known.type):
            continue
        if remarks is None:
            raise Conflict(
                f"Cannot remove port-profile {known.name}", f"in use by interface {name}", "move its NICs first"
            )
        remarks.append(f"port-profile {known.name} is kept: in use by interface {name}")
        profiles.update(_with_parents(known, base, profiles))
    return replace(state, config=replace(state.config, profiles=profiles))


def _with_parents(profile: PortProfile, base: State, there: dict[str, PortProfile]) -> dict[str, PortProfile]:
    found = {profile.name: profile}
    while (parent := base.config.profiles.get(profile.inherit)) and parent.name not in there:
        found[parent.name] = profile = parent
    return found


def _sections(lines: Iterable[Line]) -> Iterator[list[Line]]:
    section: list[Line] = []
    for line in lines:
        if section and not line.indented:
            yield section
            section = []
        section.append(line)
    if section:
        yield section


def _stranger(name: str, inside: Iterable[Line], base: State) -> str:
    """Why the section is not about a vEth that is here; "" if it is."""
    interface = parse_named(name)
    if isinstance(interface, PortChannel):
        gone = interface.number not in base.inventory.channels.values()
        return f"interface {interface.full} is left out: its host does not make it any more" if gone else ""
    assert isinstance(interface, Vethernet)
    veth = base.inventory.veths.get(interface.number)
    if veth is None:
        return f"interface {interface.full} is left out: it does not exist any more"
    for line in inside:
        if (found := _MAC.fullmatch(line.text)) and _mac(found[1]) not in (None, veth.mac):
            return f"interface {interface.full} is left out: its number belongs to another NIC by now"
    return ""


def _mac(text: str) -> MacAddress | None:
    try:
        return MacAddress.parse(text)
    except InvalidValue:
        return None
