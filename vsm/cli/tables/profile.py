"""Port profiles: creating and removing them, and what only a profile can say (nexus-1000v section 3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from dvswitch.errors import Conflict
from dvswitch.vlan import VlanSet
from vsm.cli.command import Call, Command, Edit, Mode, Position
from vsm.cli.tables.setting import put_profile, the_profile
from vsm.model.settings import Settings
from vsm.model.state import PortProfile, ProfileType, State
from vsm.policy.ports import children, users
from vsm.policy.quarantine import QUARANTINE

PROFILE = (Mode.PROFILE,)
CONFIG = (Mode.CONFIG,)


@dataclass(frozen=True, slots=True)
class ProfileSubject:
    """A profile as the rows of PROFILE mode render it."""

    profile: PortProfile
    default_max_ports: int

    @property
    def settings(self) -> Settings:
        """For the rows of vsm/cli/tables/settings.py."""
        return self.profile.settings


def _type(call: Call) -> ProfileType | None:
    if call.has("ethernet"):
        return ProfileType.ETHERNET
    return ProfileType.VETHERNET if call.has("vethernet") else None


def _create(state: State, call: Call) -> State:
    name, kind = call["name"], _type(call)
    known = state.config.profiles.get(name)
    if known is None:
        return _new(state, name, kind or ProfileType.VETHERNET)
    if kind not in (None, known.type):
        raise Conflict(f"port-profile {name}", f"is of type {known.type.value}; the type is fixed at creation")
    return state


def _new(state: State, name: str, kind: ProfileType) -> State:
    policy_id = state.inventory.next_policy_id
    profile = PortProfile(name, kind, policy_id, max_ports=state.config.default_max_ports)
    state = put_profile(state, profile)
    return replace(state, inventory=replace(state.inventory, next_policy_id=policy_id + 1))


def _remove(state: State, call: Call) -> State:
    name = call["name"]
    subject = f"Cannot remove port-profile {name}"
    if name in QUARANTINE:
        raise Conflict(subject, "it is built in")
    if name not in state.config.profiles:
        return state
    if used := users(state, name):
        raise Conflict(subject, f"in use by interface {used[0]}" + _more(len(used) - 1))
    if heirs := children(state.config, name):
        raise Conflict(subject, f"inherited by port-profile {heirs[0]}" + _more(len(heirs) - 1))
    profiles = {key: profile for key, profile in state.config.profiles.items() if key != name}
    return replace(state, config=replace(state.config, profiles=profiles))


def _more(others: int) -> str:
    return f" and {others} more" if others else ""


def _edit(change: Callable[[PortProfile, Call], PortProfile]) -> Edit:
    def edit(state: State, call: Call) -> State:
        return put_profile(state, change(the_profile(state, call.position.profile), call))

    return edit


def _restore_max_ports(state: State, call: Call) -> State:
    profile = the_profile(state, call.position.profile)
    return put_profile(state, replace(profile, max_ports=state.config.default_max_ports))


def _cut_off(state: State, call: Call) -> str:
    """The ports that `no state enabled` has just put into quarantine."""
    used = users(state, call.position.profile) if not the_profile(state, call.position.profile).enabled else []
    if not used:
        return ""
    return f"Warning: port-profile {call.position.profile} is disabled: {len(used)} assigned interfaces are quarantined"


def _default_max_ports(state: State, call: Call) -> State:
    return replace(state, config=replace(state.config, default_max_ports=call.get("count", 32)))


def _header(subject: ProfileSubject) -> Iterator[str]:
    yield f"port-profile type {subject.profile.type.value} {subject.profile.name}"


def _group(subject: ProfileSubject) -> Iterator[str]:
    profile = subject.profile
    if profile.port_group is not None:
        yield "port-group" if profile.port_group == profile.name else f"port-group {profile.port_group}"


def _line(text: Callable[[PortProfile], str], when: Callable[[ProfileSubject], bool]) -> Callable[..., Iterator[str]]:
    def render(subject: ProfileSubject) -> Iterator[str]:
        if when(subject):
            yield text(subject.profile)

    return render


DEFAULTS: tuple[Command, ...] = (
    Command(
        modes=CONFIG,
        syntax="port-profile default port-binding static",
        help="A port stays bound to its NIC, as all ports do",
        edit=lambda state, _call: state,
        no="port-profile default port-binding [static]",
        undo=lambda state, _call: state,
        words={"default": "Defaults of new port-profiles", "static": "For good"},
    ),
    Command(
        modes=CONFIG,
        syntax="port-profile default max-ports <count:1-10240>",
        help="Set the max-ports of port-profiles that are created from now on",
        edit=_default_max_ports,
        no="port-profile default max-ports [<count:1-10240>]",
        undo=lambda state, _call: replace(state, config=replace(state.config, default_max_ports=32)),
        render=lambda config: [f"port-profile default max-ports {config.default_max_ports}"],
        words={"default": "Defaults of new port-profiles", "max-ports": "Most ports that may use the profile"},
    ),
)

HEADER = Command(
    modes=CONFIG,
    syntax="port-profile [type {vethernet | ethernet}] <name:profile>",
    help="Create or configure a port-profile",
    edit=_create,
    enter=lambda call: Position(Mode.PROFILE, profile=call["name"]),
    no="port-profile [type {vethernet | ethernet}] <name:profile>",
    undo=_remove,
    render=_header,
    words={"vethernet": "For virtual ports", "ethernet": "For uplinks", "type": "What the profile is for"},
)

BEFORE_SETTINGS: tuple[Command, ...] = (
    Command(
        modes=PROFILE,
        syntax="{port-group | vmware port-group | publish port-profile} [<group:group>]",
        help="Publish the profile to managers, as a port group of this or its own name",
        edit=_edit(lambda profile, call: replace(profile, port_group=call.get("group", profile.name))),
        no="{port-group | vmware port-group | publish port-profile} [<group:group>]",
        undo=_edit(lambda profile, _call: replace(profile, port_group=None)),
        render=_group,
        words={"port-profile": "The profile"},
    ),
    Command(
        modes=PROFILE,
        syntax="inherit port-profile <parent:profile>",
        help="Take from another profile what this one does not say",
        edit=_edit(lambda profile, call: replace(profile, inherit=call["parent"])),
        no="inherit port-profile [<parent:profile>]",
        undo=_edit(lambda profile, _call: replace(profile, inherit="")),
        render=_line(
            lambda profile: f"inherit port-profile {profile.inherit}", lambda subject: subject.profile.inherit != ""
        ),
        words={"port-profile": "The parent"},
    ),
)

AFTER_SETTINGS: tuple[Command, ...] = (
    Command(
        modes=PROFILE,
        syntax="system vlan <vlans:vlan-list>",
        help="Vlans that must keep working: edits that would cut them off on the profile's ports are refused",
        edit=_edit(lambda profile, call: replace(profile, system_vlans=call["vlans"])),
        no="system vlan [<vlans:vlan-list>]",
        undo=_edit(lambda profile, _call: replace(profile, system_vlans=VlanSet())),
        render=_line(
            lambda profile: f"system vlan {profile.system_vlans}", lambda subject: bool(subject.profile.system_vlans)
        ),
        words={"system": "For the way to the hosts", "vlan": "Vlans that must keep working"},
    ),
    Command(
        modes=PROFILE,
        syntax="capability l3control",
        help="Mark ports between hosts and supervisor: edits that would cut them off are refused",
        edit=_edit(lambda profile, _call: replace(profile, l3control=True)),
        no="capability [l3control]",
        undo=_edit(lambda profile, _call: replace(profile, l3control=False)),
        render=_line(lambda _profile: "capability l3control", lambda subject: subject.profile.l3control),
        words={"l3control": "Between hosts and supervisor"},
    ),
    Command(
        modes=PROFILE,
        syntax="{max-ports | vmware max-ports} <count:1-10240>",
        help="Set how many ports may use the profile",
        edit=_edit(lambda profile, call: replace(profile, max_ports=call["count"])),
        no="{max-ports | vmware max-ports} [<count:1-10240>]",
        undo=_restore_max_ports,
        render=_line(
            lambda profile: f"max-ports {profile.max_ports}",
            lambda subject: subject.profile.max_ports != subject.default_max_ports,
        ),
        always=_line(lambda profile: f"max-ports {profile.max_ports}", lambda _subject: True),
    ),
    Command(
        modes=PROFILE,
        syntax="port-binding static",
        help="A port stays bound to its NIC, as all ports do",
        edit=lambda state, _call: state,
        no="port-binding [static]",
        undo=lambda state, _call: state,
        words={"static": "For good"},
    ),
    Command(
        modes=PROFILE,
        syntax="min-ports <count:1-10240>",
        help="Set how many ports managers keep ready",
        edit=_edit(lambda profile, call: replace(profile, min_ports=call["count"])),
        no="min-ports [<count:1-10240>]",
        undo=_edit(lambda profile, _call: replace(profile, min_ports=1)),
        render=_line(lambda profile: f"min-ports {profile.min_ports}", lambda subject: subject.profile.min_ports != 1),
        always=_line(lambda profile: f"min-ports {profile.min_ports}", lambda _subject: True),
    ),
    Command(
        modes=PROFILE,
        syntax="description <text:text>",
        help="Describe the profile",
        edit=_edit(lambda profile, call: replace(profile, description=call["text"])),
        no="description [<text:text>]",
        undo=_edit(lambda profile, _call: replace(profile, description="")),
        render=_line(
            lambda profile: f"description {profile.description}", lambda subject: subject.profile.description != ""
        ),
    ),
    Command(
        modes=PROFILE,
        syntax="state enabled",
        help="Put the profile into effect",
        edit=_edit(lambda profile, _call: replace(profile, enabled=True)),
        no="state [enabled]",
        undo=_edit(lambda profile, _call: replace(profile, enabled=False)),
        render=_line(lambda _profile: "state enabled", lambda subject: subject.profile.enabled),
        note=_cut_off,
        words={"state": "Whether the profile is in effect", "enabled": "Put it into effect"},
    ),
)
