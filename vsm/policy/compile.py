"""From the State to what one module should have (vsm/policy/wanted.py): pure, and quick enough to redo for all modules
after every change.

Policy goes by reference: ports carry a policy id, and only the policies used on the module are sent.  What makes a port
or uplink unusable (quarantine, VLAN not there) is decided here and nowhere behind it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dvswitch.vlan import VlanSet
from vsm.model.cards import holder, mode_of
from vsm.model.interfaces import Ethernet, PortChannel, Vethernet
from vsm.model.migration import Move, MoveState
from vsm.model.niv import HostMode, Role
from vsm.model.settings import NO_PIN, UNTAGGED, ChannelMode, PortMode, Settings, TeamMethod
from vsm.model.state import Config, Inventory, Phase, PortProfile, ProfileType, State, Uplink, Veth
from vsm.policy.forwarding import forwarding
from vsm.policy.inherit import chain, effective
from vsm.policy.ports import active_vlans, member_vlans
from vsm.policy.quarantine import carries_nothing, usable
from vsm.policy.wanted import ForwardSpec, PolicySpec, PortSpec, StormSpec, SwitchSpec, TeamSpec, UplinkSpec, Wanted


@dataclass(frozen=True, slots=True)
class MovePlaces:
    """What a vEth under migration is on its source and its target; None = not there."""

    source: Phase
    target: Phase | None
    behind: int
    """How far the source's generation is behind the move's."""


MOVES: dict[MoveState, MovePlaces] = {
    MoveState.PREPARED: MovePlaces(source=Phase.ACTIVE, target=Phase.PREPARED, behind=1),
    MoveState.PAUSED: MovePlaces(source=Phase.DRAINING, target=Phase.PREPARED, behind=1),
    MoveState.ACTIVATED: MovePlaces(source=Phase.DRAINING, target=Phase.ACTIVE, behind=1),
    MoveState.CANCELLED: MovePlaces(source=Phase.ACTIVE, target=None, behind=0),
}
"""The life of a move as its two modules see it; a move that is done is not in the State any more."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A vEth's life on one module."""

    veth: Veth
    phase: Phase
    generation: int
    forward: ForwardSpec | None = None


@dataclass(frozen=True, slots=True)
class _Index:
    """What every module's compilation needs from one State."""

    places: dict[int, list[_Place]]
    uplinks: dict[int, list[Uplink]]
    active: VlanSet
    policies: dict[tuple[str, str, int], PolicySpec]
    """Evaluated so far, by (profile, interface with overrides or "", the interface's own policy or 0)."""
    inventory: Inventory
    """Of that State."""
    known: dict[int, tuple[Veth, Move | None, list[tuple[int, _Place]]]]
    """Where each vEth is known, and what that was worked out from."""
    ports: dict[tuple[int, Phase, int], tuple[Veth, PortSpec, PolicySpec | None]]
    """Worked out so far, by number, phase and generation.  Like the policies they follow from the vEth and the
    configuration alone, so they serve until that is edited: most States differ in one vEth's place."""
    made: dict[tuple[int, Role | None], _Made]
    """By slot and role, as long as the configuration and what modules told of their uplinks are the same."""


@dataclass(frozen=True, slots=True)
class _Made:
    """What is wanted of one module, and what that was worked out from."""

    places: Sequence[_Place]
    uplinks: Sequence[Uplink]
    mode: HostMode
    wanted: Wanted


_SPARE = 4
"""Ports that are kept worked out, for each vEth, before those of earlier moves are thrown away."""
_latest: tuple[State, _Index] | None = None


def wanted(state: State, slot: int, role: Role | None = None) -> Wanted:
    """Everything that should be in ``slot``: what its host or its card is told, or (None) both together.

    The ports are one's of the two, as the module's mode says; the uplinks are always the host's.
    """
    index, mode = _index(state), mode_of(state, slot)
    places = index.places.get(slot, []) if role in (None, holder(state, slot)) else []
    links = index.uplinks.get(slot, []) if role is not Role.CARD else []
    made = index.made.get((slot, role))
    if made is None or (made.places, made.uplinks, made.mode) != (places, links, mode):
        policies: dict[int, PolicySpec] = {}
        ports = {place.veth.number: _port(state, index, place, policies) for place in places}
        uplinks = {uplink.number: _uplink(state, index, uplink, policies) for uplink in links}
        made = _Made(places, links, mode, Wanted(_switch(state.config), policies, ports, uplinks, mode))
        index.made[slot, role] = made
    return made.wanted


def _index(state: State) -> _Index:
    # States are immutable, so one index serves all modules until the next State comes.
    global _latest
    if _latest is None or _latest[0] is not state:
        before = _latest[1] if _latest is not None and _latest[0].config is state.config else None
        _latest = (state, _build(state, before))
    return _latest[1]


def _build(state: State, before: _Index | None) -> _Index:
    """``before``: of a State with the same configuration."""
    places: dict[int, list[_Place]] = defaultdict(list)
    uplinks: dict[int, list[Uplink]] = defaultdict(list)
    known = _known_places(state, before)
    for _, _, found in known.values():
        for slot, place in found:
            places[slot].append(place)
    for uplink in state.inventory.uplinks.values():
        uplinks[uplink.slot].append(uplink)
    if before is None:
        return _Index(places, uplinks, active_vlans(state.config), {}, state.inventory, known, {}, {})
    ports, now = before.ports, state.inventory
    if len(ports) > _SPARE * len(now.veths):
        ports = {key: found for key, found in ports.items() if _may_serve(now.veths.get(key[0]), key[2])}
    same = before.inventory.uplink_policies is now.uplink_policies and before.inventory.channels is now.channels
    return _Index(places, uplinks, before.active, before.policies, now, known, ports, before.made if same else {})


def _may_serve(veth: Veth | None, generation: int) -> bool:
    """Whether a port that was worked out for this generation may be asked for again."""
    return veth is not None and generation >= veth.generation - 1


def _known_places(state: State, before: _Index | None) -> dict[int, tuple[Veth, Move | None, list[tuple[int, _Place]]]]:
    """By vEth: what follows from the same vEth and move was worked out before, unless modules changed meanwhile."""
    inventory, known, old = state.inventory, {}, {}
    was = before.inventory if before is not None else None
    if before is not None and was is not None and was.modules is inventory.modules and was.cards is inventory.cards:
        old = before.known if was.mobility_secret == inventory.mobility_secret else {}
    for number, veth in inventory.veths.items():
        move, found = inventory.moves.get(number), old.get(number)
        if found is None or found[0] is not veth or found[1] is not move:
            found = veth, move, _places(state, veth, move)
        known[number] = found
    return known


def _places(state: State, veth: Veth, move: Move | None) -> list[tuple[int, _Place]]:
    """(slot, place) wherever the vEth is known; the source keeps the generation before the move's."""
    if move is None or move.state not in MOVES:
        return [] if veth.slot is None else [(veth.slot, _Place(veth, Phase.ACTIVE, veth.generation))]
    places = MOVES[move.state]
    from_source, to_target = forwarding(state, veth, move)
    found = [(move.source, _Place(veth, places.source, move.generation - places.behind, from_source))]
    if places.target is not None:
        found.append((move.target, _Place(veth, places.target, move.generation, to_target)))
    return found


def _switch(config: Config) -> SwitchSpec:
    return SwitchSpec(
        config.hostname,
        config.domain,
        config.mtu,
        config.keep_priority_tag,
        config.snooping,
        config.query_interval,
        config.up_delay,
        config.mac_aging,
        config.cdp,
        config.lldp,
        config.cdp_timer,
        config.cdp_hold,
        config.lldp_timer,
        config.lldp_hold,
    )


def _port(state: State, index: _Index, place: _Place, policies: dict[int, PolicySpec]) -> PortSpec:
    key = place.veth.number, place.phase, place.generation
    found = index.ports.get(key)
    if found is None or found[0] is not place.veth or found[1].forward != place.forward:
        found = index.ports[key] = (place.veth, *_new_port(state, index, place))
    _, port, policy = found
    if policy:
        policies[policy.id] = policy
    return port


def _new_port(state: State, index: _Index, place: _Place) -> tuple[PortSpec, PolicySpec | None]:
    veth = place.veth
    name = Vethernet(veth.number).full
    policy = _policy(state.config, index, name, veth.profile, ProfileType.VETHERNET, veth.policy_id)
    port = PortSpec(
        veth=veth.number,
        policy=policy.id if policy else 0,
        mac=veth.mac,
        nic=veth.nic,
        generation=place.generation,
        phase=place.phase,
        shutdown=policy is None or _shut(state.config, name),
        # A vEth that came from elsewhere must be announced; true for good, so that the end of a move changes nothing.
        announce=place.phase is Phase.ACTIVE and place.generation > 1,
        forward=place.forward,
    )
    return port, policy


def _uplink(state: State, index: _Index, uplink: Uplink, policies: dict[int, PolicySpec]) -> UplinkSpec:
    name = Ethernet(uplink.slot, uplink.number).full
    own_id = state.inventory.uplink_policies.get((uplink.slot, uplink.number), 0)
    policy = None
    if usable(state.config, uplink.profile, ProfileType.ETHERNET):
        policy = _policy(state.config, index, name, uplink.profile, ProfileType.ETHERNET, own_id)
    if policy:
        policies[policy.id] = policy
    if policy is None:
        return UplinkSpec(uplink.number, 0, shutdown=True)
    shut = _shut(state.config, name) or _channel_shut(state, uplink.slot, policy)
    # The uplink carries this by itself, so that it stays in its port-channel, which is of one policy.
    no_cdp = effective(state.config, uplink.profile, state.config.overrides.get(name)).cdp is False
    return UplinkSpec(uplink.number, policy.id, shut, no_cdp)


def _channel_shut(state: State, slot: int, policy: PolicySpec) -> bool:
    """Whether the port-channel that the uplink is part of is shut down."""
    number = state.inventory.channels.get((slot, policy.id))
    return (
        number is not None and policy.channel is not ChannelMode.NONE and _shut(state.config, PortChannel(number).full)
    )


def _shut(config: Config, interface: str) -> bool:
    own = config.overrides.get(interface)
    return own is not None and own.shutdown is True


def _policy(
    config: Config, index: _Index, interface: str, profile: str, wanted_type: ProfileType, own_id: int
) -> PolicySpec | None:
    """The policy that holds on ``interface``: None when nothing usable is assigned."""
    found = config.profiles.get(profile)
    if found is None or found.type is not wanted_type:
        return None
    key = (profile, interface if own_id else "", own_id)
    if key not in index.policies:
        own = config.overrides.get(interface) if own_id else None
        settings = effective(config, profile, own)
        spec = _evaluate(config, index.active, found, settings, own_id or found.policy_id)
        layers = _layers(config, profile, interface, own)
        index.policies[key] = replace(spec, layers=layers, blocked=_blocked(config, found, settings))
    return index.policies[key]


def _layers(config: Config, profile: str, interface: str, own: Settings | None) -> tuple[tuple[str, Settings], ...]:
    named = [(f"interface {interface}", own)] if own else []
    named += [(f"port-profile {level.name}", level.settings) for level in chain(config, profile)]
    return (*named, ("", config.port_defaults))


def _blocked(config: Config, profile: PortProfile, settings: Settings) -> tuple[str, str]:
    """The line that blocks the ports of a profile, beside `shutdown`."""
    if not profile.enabled:
        return f"port-profile {profile.name}", "no state enabled"
    if not carries_nothing(config, settings):
        return "", ""
    vlan = config.vlans.get(settings.access_vlan or 0)
    if vlan is None:
        return "", f"no vlan {settings.access_vlan}"
    return f"vlan {vlan.id}", "shutdown" if vlan.shutdown else "state suspend"


def _evaluate(config: Config, active: VlanSet, profile: PortProfile, settings: Settings, policy_id: int) -> PolicySpec:
    trunk, guests = settings.mode is PortMode.TRUNK, profile.type is ProfileType.VETHERNET
    disabled = usable(config, profile.name, profile.type) is None
    return PolicySpec(
        id=policy_id,
        profile=profile.name,
        trunk=trunk,
        vlan=max(settings.native_vlan or UNTAGGED, UNTAGGED) if trunk else settings.access_vlan or UNTAGGED,
        allowed=member_vlans(settings) & (active | VlanSet.of([UNTAGGED])) if trunk else VlanSet(),
        shutdown=bool(settings.shutdown) or disabled or carries_nothing(config, settings),
        forged_transmits=bool(settings.forged_transmits),
        mac_changes=bool(settings.mac_changes),
        mac_learning=bool(settings.mac_learning),
        unknown_flood=bool(settings.mac_learning and settings.unknown_flood),
        mac_limit=settings.mac_limit or 0,
        mtu=0 if guests else settings.mtu or 0,
        promiscuous=guests and bool(settings.promiscuous),
        mac_limit_allow=bool(settings.mac_limit_allow),
        bpdu=guests and not settings.bpdu_guard,
        storm=_storm(settings) if guests else StormSpec(),
        team=_team(settings) if guests else TeamSpec(),
        channel=ChannelMode.NONE if guests else settings.channel or ChannelMode.NONE,
    )


def _storm(settings: Settings) -> StormSpec:
    return StormSpec(settings.storm_broadcast or 0, settings.storm_multicast or 0, settings.storm_unknown or 0)


def _team(settings: Settings) -> TeamSpec:
    return TeamSpec(
        method=settings.team_method or TeamMethod.PORT_ID,
        active=settings.team_active or (),
        standby=settings.team_standby or (),
        unused=settings.team_unused or (),
        failback=settings.team_failback is not False,
        notify=settings.team_notify is not False,
        beacon=bool(settings.team_beacon),
        pin=None if settings.pin in (None, NO_PIN) else settings.pin,
        pin_backup=settings.pin_backup or (),
    )
