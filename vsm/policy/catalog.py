"""The port groups that managers are offered: every enabled profile with a `port-group` line.

Pure; vsm/api/catalog.py tells managers.  The network's operators own profiles, managers own which NIC uses which port
group; so a port group that NICs use can't be pulled away or renamed behind their backs (nexus-1000v section 3.2).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dvswitch.errors import NotFound
from vsm.model.state import Config, PortProfile, ProfileType, State
from vsm.policy.ports import users


@dataclass(frozen=True, slots=True)
class PortGroup:
    """What a manager is told of a profile.  VLANs and policy are not its business."""

    id: int
    """The profile's policy id: it survives every edit but the profile's removal and is never reused."""
    name: str
    profile: str
    type: ProfileType
    description: str
    min_ports: int
    max_ports: int


@dataclass(frozen=True, slots=True)
class Difference:
    """What leads from one catalogue to another, each by id."""

    added: tuple[PortGroup, ...] = ()
    changed: tuple[PortGroup, ...] = ()
    removed: tuple[PortGroup, ...] = ()
    """As they were."""

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


Catalog = Mapping[int, PortGroup]
"""By id."""


def catalog(config: Config) -> Catalog:
    """All port groups, by id."""
    found = (_group(profile) for profile in config.profiles.values() if published(profile))
    return {group.id: group for group in sorted(found, key=lambda group: group.id)}


def published(profile: PortProfile) -> bool:
    """Whether managers are offered the profile."""
    return profile.enabled and profile.port_group is not None


def difference(old: Catalog, new: Catalog) -> Difference:
    """The steps from one catalogue to the next."""
    return Difference(
        added=tuple(new[key] for key in sorted(new.keys() - old.keys())),
        changed=tuple(new[key] for key in sorted(new.keys() & old.keys()) if new[key] != old[key]),
        removed=tuple(old[key] for key in sorted(old.keys() - new.keys())),
    )


def profile_of_group(config: Config, group: str) -> str:
    """The name of the profile that a port group stands for; NotFound if none is published under this name."""
    for profile in config.profiles.values():
        if profile.port_group == group:
            if published(profile):
                return profile.name
            raise NotFound(
                f"port-group {group}", f"port-profile {profile.name} is disabled", "say 'state enabled' there"
            )
    raise NotFound(f"port-group {group}", "does not exist", "publish a port-profile with 'port-group'")


def withdrawn(before: State, after: State) -> Iterator[tuple[str, str]]:
    """(subject, problem) of each port group that NICs use and that the edit takes away or renames."""
    profiles = after.config.profiles
    if before.config.profiles is profiles:
        return
    for name, profile in before.config.profiles.items():
        new = profiles.get(name)
        if (
            new is profile
            or not published(profile)
            or (new and published(new) and new.port_group == profile.port_group)
        ):
            continue
        if used := users(after, name):
            verb = "renamed" if new and published(new) else "withdrawn"
            count = f"{len(used)} interface{'s' if len(used) > 1 else ''} ({used[0]}{', ...' if len(used) > 1 else ''})"
            yield (
                f"port-group {profile.port_group}",
                f"can't be {verb} while used by {count}: move or remove these first",
            )


def _group(profile: PortProfile) -> PortGroup:
    return PortGroup(
        profile.policy_id,
        profile.port_group or profile.name,
        profile.name,
        profile.type,
        profile.description,
        profile.min_ports,
        profile.max_ports,
    )
