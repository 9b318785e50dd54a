"""What a configuration must satisfy before it is let in: one function per rule, each naming the object at fault.

Checked at the door (every CLI edit, every load of a configuration text); nothing behind it checks again.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from uuid import UUID

from dvswitch.errors import Conflict, DvsError, InvalidValue, NotFound
from dvswitch.vlan import check_vlan
from vsm.model.interfaces import Ethernet, Named, PortChannel, Vethernet, parse_named
from vsm.model.macs import check_prefix
from vsm.model.niv import DVS, Tagging
from vsm.model.settings import NOTHING, Settings
from vsm.model.state import FIRST_SLOT, LAST_SLOT, MAX_CHAIN, Config, PortProfile, ProfileType, State, VemSlot
from vsm.model.users import BUILT_IN
from vsm.policy.check_settings import out_of_range, settings_problems, team_problems
from vsm.policy.inherit import effective
from vsm.policy.ports import member_vlans
from vsm.policy.quarantine import QUARANTINE

MAX_PROFILES = 6144
MAX_NAME = 80
MAX_DOMAIN = 4095
MAX_PORTS = 10240
"""Of one profile: as many as the switch has vEths (nexus-1000v section 1.4)."""
MTU_RANGE = (1280, 9190)
MAC_AGING_RANGE = (10, 918000)
QUERY_RANGE = (32, 3600)
DISCOVERY_TIMER_RANGE, DISCOVERY_HOLD_RANGE = (5, 254), (10, 255)
UP_DELAY_RANGE = (1, 600000)

NO_CHANNEL = "a port-channel appears when a host bundles uplinks, by 'channel-group auto' in their port-profile"
_JUST_SHUTDOWN = Settings(shutdown=True)
_NAME = re.compile(r"[!-{}~]+")
_HOSTNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


def check(state: State) -> None:
    """Raise DvsError naming the first object that makes ``state`` invalid."""
    for rule in _RULES:
        for problem in rule(state):
            raise problem


_SWITCH_WIDE = dict.fromkeys(("promiscuous", "mac_changes", "forged_transmits", "mobility_forward"))
"""Settings that may be said for the whole switch: unsaid."""


def _system(state: State) -> Iterator[DvsError]:
    config = state.config
    if not _HOSTNAME.fullmatch(config.hostname):
        yield InvalidValue(f"hostname {config.hostname}", "only letters, digits, '.', '_' and '-', at most 63")
    if not 1 <= config.domain <= MAX_DOMAIN:
        yield InvalidValue(f"svs-domain id {config.domain}", f"out of range 1-{MAX_DOMAIN}")
    if not MTU_RANGE[0] <= config.mtu <= MTU_RANGE[1]:
        yield InvalidValue(f"system mtu {config.mtu}", "out of range {}-{}".format(*MTU_RANGE))
    if config.mac_aging:
        yield from out_of_range("mac address-table aging-time", config.mac_aging, MAC_AGING_RANGE)
    yield from out_of_range("ip igmp snooping query-interval", config.query_interval, QUERY_RANGE)
    yield from out_of_range("teaming up-delay", config.up_delay, UP_DELAY_RANGE)
    for protocol, timer, hold in (
        ("cdp", config.cdp_timer, config.cdp_hold),
        ("lldp", config.lldp_timer, config.lldp_hold),
    ):
        yield from out_of_range(f"{protocol} timer", timer, DISCOVERY_TIMER_RANGE)
        yield from out_of_range(f"{protocol} holdtime", hold, DISCOVERY_HOLD_RANGE)
    check_prefix(config.mac_prefix)
    if replace(config.port_defaults, **_SWITCH_WIDE) != NOTHING:
        yield InvalidValue("switch", "only security settings and mobility can be said for the whole switch")
    if not 1 <= config.default_max_ports <= MAX_PORTS:
        yield InvalidValue(f"port-profile default max-ports {config.default_max_ports}", f"out of range 1-{MAX_PORTS}")


def _vlans(state: State) -> Iterator[DvsError]:
    names: dict[str, list[int]] = defaultdict(list)
    for vlan in state.config.vlans.values():
        names[vlan.title].append(vlan.id)
    for vlan in state.config.vlans.values():
        check_vlan(vlan.id, f"vlan {vlan.id}")
        if len(vlan.name) > 32 or not (vlan.name == "" or _NAME.fullmatch(vlan.name)):
            yield InvalidValue(f"vlan {vlan.id}", f"name '{vlan.name}' must be 1-32 printable characters, no spaces")
        if len(names[vlan.title]) > 1:
            yield Conflict(f"vlan name {vlan.title}", "used by vlans {} and {}".format(*sorted(names[vlan.title])))
    if 1 not in state.config.vlans:
        yield Conflict("vlan 1", "the default vlan can't be removed")


def _users(state: State) -> Iterator[DvsError]:
    known = {*BUILT_IN, *state.config.roles}
    for user in state.config.users.values():
        if not user.roles or not known.issuperset(user.roles):
            yield Conflict(f"user {user.name}", f"has a role that does not exist: {', '.join(user.roles) or 'none'}")


def _profiles(state: State) -> Iterator[DvsError]:
    profiles = state.config.profiles
    if len(profiles) > MAX_PROFILES:
        yield Conflict("port-profiles", f"the switch takes at most {MAX_PROFILES}")
    groups = Counter(profile.port_group for profile in profiles.values() if profile.port_group)
    for profile in profiles.values():
        subject = f"port-profile {profile.name}"
        if _sound.get(id(profile)) is not profile:
            yield from _by_itself(profile, subject)
        if profile.inherit or profile.system_vlans:
            yield from _in_place(state.config, profile, subject)
        if profile.port_group and groups[profile.port_group] > 1:
            yield Conflict(subject, f"port-group {profile.port_group} is already published by another port-profile")
    _sound.clear()
    _sound.update((id(profile), profile) for profile in profiles.values())


_sound: dict[int, PortProfile] = {}
"""The profiles that had no problem by themselves last time: an edit concerns one of thousands."""


def _by_itself(profile: PortProfile, subject: str) -> Iterator[DvsError]:
    if profile.name in QUARANTINE:
        yield Conflict(subject, "is built in", "choose another name")
    if not _NAME.fullmatch(profile.name) or len(profile.name) > MAX_NAME:
        yield InvalidValue(subject, f"a name has 1-{MAX_NAME} printable characters and no spaces")
    if not 1 <= profile.max_ports <= MAX_PORTS:
        yield InvalidValue(subject, f"max-ports {profile.max_ports} is out of range 1-{MAX_PORTS}")
    if not 1 <= profile.min_ports <= profile.max_ports:
        yield InvalidValue(
            subject, f"min-ports {profile.min_ports} must be between 1 and max-ports {profile.max_ports}"
        )
    yield from settings_problems(profile.settings, subject, profile.type)


def _in_place(config: Config, profile: PortProfile, subject: str) -> Iterator[DvsError]:
    yield from _ancestors(config, profile, subject)
    if (
        missing := profile.system_vlans - member_vlans(effective(config, profile.name))
        if profile.system_vlans
        else None
    ):
        yield InvalidValue(subject, f"system vlan {missing} is not among its vlans", "allow it there first")


def _ancestors(config: Config, profile: PortProfile, subject: str) -> Iterator[DvsError]:
    seen = [profile.name]
    while profile.inherit:
        parent = config.profiles.get(profile.inherit)
        if profile.inherit in QUARANTINE:
            yield Conflict(subject, f"can't inherit from {profile.inherit}: it is built in")
            return
        if parent is None:
            yield NotFound(subject, f"parent port-profile {profile.inherit} does not exist", "create it first")
            return
        if parent.type is not profile.type:
            yield Conflict(
                subject, f"is of type {profile.type.value}, its parent {parent.name} of type {parent.type.value}"
            )
        if parent.name in seen:
            yield Conflict(subject, f"inherits from itself: {' -> '.join([*seen, parent.name])}")
            return
        seen.append(parent.name)
        if len(seen) > MAX_CHAIN:
            yield Conflict(subject, f"inherits over more than {MAX_CHAIN} levels: {' -> '.join(seen)}")
            return
        profile = parent


def _interfaces(state: State) -> Iterator[DvsError]:
    channels = set(state.inventory.channels.values())
    for name in {**state.config.overrides, **state.config.descriptions}:
        interface = parse_named(name)
        subject = f"interface {name}"
        said = state.config.overrides.get(name, NOTHING)
        if isinstance(interface, Vethernet) and interface.number not in state.inventory.veths:
            yield NotFound(subject, "does not exist", "a vEth appears when a NIC is attached")
        if isinstance(interface, PortChannel) and interface.number not in channels:
            yield NotFound(subject, "does not exist", NO_CHANNEL)
        yield from _said_on(interface, subject, said)


def _said_on(interface: Named, subject: str, said: Settings) -> Iterator[DvsError]:
    if isinstance(interface, Vethernet | Ethernet):
        kind = ProfileType.VETHERNET if isinstance(interface, Vethernet) else ProfileType.ETHERNET
        yield from settings_problems(said, subject, kind)
    elif said not in (NOTHING, _JUST_SHUTDOWN) or (said != NOTHING and not isinstance(interface, PortChannel)):
        yield Conflict(subject, "can't say how frames are treated", "say it in the port-profile of the uplinks")


def _slots(state: State) -> Iterator[DvsError]:
    hosts = Counter(slot.host_uuid for slot in state.config.slots.values())
    for slot in state.config.slots.values():
        if not FIRST_SLOT <= slot.slot <= LAST_SLOT:
            yield InvalidValue(f"vem {slot.slot}", f"slots are {FIRST_SLOT}-{LAST_SLOT}")
        if hosts[slot.host_uuid] > 1:
            yield Conflict(f"vem {slot.slot}", f"host {slot.host_uuid} has another slot already")
        try:
            UUID(slot.host_uuid)
        except ValueError:
            yield InvalidValue(f"vem {slot.slot}", f"host id '{slot.host_uuid}' is not a UUID")
        yield from _mode(state, slot)


def _mode(state: State, slot: VemSlot) -> Iterator[DvsError]:
    module = state.inventory.modules.get(slot.slot)
    if slot.mode.niv is (slot.mode.tagging is Tagging.NONE):
        yield InvalidValue(f"vem {slot.slot}", "mode niv needs a tagging, and the others have none")
    if module and module.type == "VIS" and slot.mode != DVS:
        yield Conflict(f"vem {slot.slot}", "is a VIS: it has no mode", "set the mode of the hosts connected to it")


def _assignments(state: State) -> Iterator[DvsError]:
    used = Counter(veth.profile for veth in state.inventory.veths.values())
    for name, ports in used.items():
        profile = state.config.profiles.get(name)
        if profile and ports > profile.max_ports:
            yield Conflict(f"port-profile {name}", f"max-ports {profile.max_ports} is below the {ports} ports in use")


_RULES: tuple[Callable[[State], Iterator[DvsError]], ...] = (
    _system,
    _users,
    _vlans,
    _profiles,
    _interfaces,
    _slots,
    _assignments,
    team_problems,
)
