"""Ports by interface name: which profile they have, what holds on them, who uses a profile, which VLANs they carry.

Shared by the CLI's handlers and renderers; compilation for modules (vsm/policy/compile.py) has its own, indexed way.
"""

from __future__ import annotations

from collections.abc import Iterator

from dvswitch.vlan import VlanSet
from vsm.model.channels import channel_key
from vsm.model.interfaces import Ethernet, Named, PortChannel, Vethernet, parse_named
from vsm.model.settings import UNTAGGED, PortMode, Settings
from vsm.model.state import Config, State
from vsm.policy.inherit import effective


def profile_of(state: State, name: str) -> str:
    """The profile of an interface by its full name; "" if it has none or does not exist."""
    interface = parse_named(name)
    if isinstance(interface, Vethernet):
        veth = state.inventory.veths.get(interface.number)
        return veth.profile if veth else ""
    if isinstance(interface, Ethernet):
        uplink = state.inventory.uplinks.get((interface.slot, interface.number))
        return uplink.profile if uplink else ""
    key = channel_key(state, name)
    return _profile_of_policy(state, *key) if key else ""


def _profile_of_policy(state: State, slot: int, policy: int) -> str:
    """The profile behind a policy of a port-channel: its own, or that of an uplink with overrides."""
    for profile in state.config.profiles.values():
        if profile.policy_id == policy:
            return profile.name
    for (where, number), own in state.inventory.uplink_policies.items():
        if (where, own) == (slot, policy) and (uplink := state.inventory.uplinks.get((where, number))):
            return uplink.profile
    return ""


def port_settings(state: State, name: str) -> Settings:
    """What holds on an interface, by its full name."""
    return effective(state.config, profile_of(state, name), state.config.overrides.get(name))


def active_vlans(config: Config) -> VlanSet:
    """VLANs that carry frames."""
    return VlanSet.of(vlan.id for vlan in config.vlans.values() if vlan.carries)


def member_vlans(settings: Settings) -> VlanSet:
    """VLANs that a port is configured for, whether they exist or not; 0 = frames that are untagged everywhere."""
    if settings.mode is not PortMode.TRUNK:
        return VlanSet.of([settings.access_vlan or UNTAGGED])
    untagged = VlanSet.of([UNTAGGED] if settings.native_vlan == UNTAGGED else [])
    return (settings.allowed_vlans or VlanSet()) | untagged


def interfaces(state: State) -> Iterator[str]:
    """Full names of all ports that exist: uplinks by slot, then vEths by number."""
    for slot, number in sorted(state.inventory.uplinks):
        yield Ethernet(slot, number).full
    for number in sorted(state.inventory.veths):
        yield Vethernet(number).full


def port_channels(state: State) -> Iterator[str]:
    """Full names of all port-channels, by number, whether or not their profile still says `channel-group auto`."""
    yield from (PortChannel(number).full for number in sorted(state.inventory.channels.values()))


def there(state: State, interface: Named) -> bool:
    """Whether an interface can be configured now; an uplink may be before its host has come."""
    if isinstance(interface, Vethernet):
        return interface.number in state.inventory.veths
    return not isinstance(interface, PortChannel) or interface.number in state.inventory.channels.values()


def users(state: State, profile: str) -> list[str]:
    """Full names of the interfaces assigned to a profile."""
    return [name for name in interfaces(state) if profile_of(state, name) == profile]


def children(config: Config, profile: str) -> list[str]:
    """Profiles that inherit from ``profile`` directly."""
    return sorted(other.name for other in config.profiles.values() if other.inherit == profile)


def automatic_description(state: State, name: str) -> str:
    """What describes a vEth unless the operator says otherwise: its VM and adapter."""
    interface = parse_named(name)
    veth = state.inventory.veths.get(interface.number) if isinstance(interface, Vethernet) else None
    return ", ".join(part for part in (veth.nic.vm, veth.nic.adapter) if part) if veth else ""


def description(state: State, name: str) -> str:
    """The description that people see."""
    return state.config.descriptions.get(name) or automatic_description(state, name)
