"""From what is wanted and what is plugged in to the Image that the datapath should hold.

Pure, and complete every time: the agent never edits tables, it compiles and applies the difference (vem/datapath/plan).
Policy index 0 is the agent's own: it blocks, and is what a NIC gets that nobody wants (yet).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from dvswitch.errors import Unavailable
from dvswitch.mac import MacAddress
from dvswitch.vlan import VlanSet
from vem.agent import wanted as want
from vem.agent.lports import LAST_POLICY, LAST_TEAM, Numbers
from vem.agent.receivers import Group, Receivers, receivers_of
from vem.agent.remembered import Remembered
from vem.agent.teams import Teaming, uplink_of
from vem.datapath import image as img
from vem.teaming.team import Balance, Candidate, Choice

BLOCKED_POLICY = 0


@dataclass(frozen=True, slots=True)
class PluggedNic:
    """A NIC that is plugged in, as far as forwarding is concerned."""

    lport: int
    mac: MacAddress
    veth: int
    """0: the supervisor has not said yet."""
    link_up: bool = True
    effective: MacAddress | None = None
    """See Attachment."""


@dataclass(frozen=True, slots=True)
class PluggedUplink:
    """A configured uplink whose NIC is there."""

    number: int
    lport: int
    mac: MacAddress
    link_up: bool = True
    usable: bool = True
    """Its history lets a team use it (vem/teaming/health.py)."""


@dataclass(slots=True)
class Indexes:
    """Numbers that must stay the same from one Image to the next."""

    policies: Numbers[int] = field(default_factory=lambda: Numbers(BLOCKED_POLICY + 1, LAST_POLICY, "port profiles"))
    """By Policy.id; negative: policy of an orphan, by its index."""
    teams: Numbers[img.Team] = field(default_factory=lambda: Numbers(1, LAST_TEAM, "uplink teams"))
    """By content, so that a team's number never changes its meaning under a port.  0 = no uplink."""


@dataclass(frozen=True, slots=True)
class VethState:
    """What became of a wanted vEth whose NIC is plugged here."""

    veth: int
    lport: int
    link_up: bool
    enabled: bool
    """Not shut down, silent or quarantined."""
    pinned_uplink: int = 0
    """Uplink number, 0 = none, or any (LAG)."""

    @property
    def forwarding(self) -> bool:
        """Frames pass."""
        return self.enabled and self.link_up


@dataclass(frozen=True, slots=True)
class NicEntries:
    """What a NIC came to when nothing was wrong with it."""

    port: img.Port
    state: VethState
    live: bool
    """It has its MAC entered."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """The Image, and what people and the supervisor should know about it."""

    wanted: want.Wanted
    """What it was made from."""
    image: img.Image
    veths: Mapping[int, VethState]
    refusals: tuple[want.Refusal, ...]


@dataclass(frozen=True, slots=True)
class Orphans:
    """Ports found in the datapath at start that the agent can't place yet; they go on as they are until it can."""

    image: img.Image = field(default_factory=img.Image)
    lports: frozenset[int] = frozenset()


def compile_image(
    wanted: want.Wanted,
    nics: Iterable[PluggedNic],
    uplinks: Iterable[PluggedUplink],
    indexes: Indexes,
    orphans: Orphans | None = None,
    teaming: Teaming | None = None,
    memory: Remembered[NicEntries] | None = None,
) -> Compiled:
    """Work out the whole Image; ``indexes``, ``teaming`` and ``memory`` are brought up to date."""
    compiler = Compiler(wanted, indexes, orphans or Orphans(), teaming or Teaming(), memory or Remembered())
    return compiler.run(list(nics), list(uplinks))


class Compiler:
    """One run over everything; vem/agent/narrow.py goes on from it."""

    def __init__(
        self,
        wanted: want.Wanted,
        indexes: Indexes,
        orphans: Orphans,
        teaming: Teaming,
        memory: Remembered[NicEntries],
    ) -> None:
        self._wanted = wanted
        self._indexes = indexes
        self._orphans = orphans
        self._teaming = teaming
        self._memory = memory
        self._grounds: dict[int, tuple[object, ...]] = {}
        """By policy id: what the entries of its ports follow from."""
        self._refusals = list(wanted.refusals)
        self._ports: dict[int, img.Port] = {}
        self._policies: dict[int, img.Policy] = {BLOCKED_POLICY: img.Policy(blocked=True)}
        self._static: dict[MacAddress, int] = {}
        self._owner: dict[MacAddress, want.Port] = {}
        self._receivers = Receivers()
        self._veths: dict[int, VethState] = {}
        self._uplinks: dict[int, PluggedUplink] = {}
        self._choices: dict[int, Choice] = {}
        self._teams: dict[int, img.Team] = {}

    def run(self, nics: list[PluggedNic], uplinks: list[PluggedUplink]) -> Compiled:
        """Bottom-up: uplinks, the teams made of them, policies, vNICs, receiver lists."""
        self._reserve_orphans()
        for uplink in sorted(uplinks, key=lambda uplink: uplink.number):
            self._add_uplink(uplink)
        for policy in self._wanted.policies.values():
            self._check_team(policy)
            choice = self._teaming.choose(policy, self._candidates(policy))
            self._choices[policy.id] = self._memory.same(("choice", policy.id), choice)
        teams = {ident: self._team(choice) for ident, choice in self._choices.items()}
        for policy in self._wanted.policies.values():
            self._add_policy(policy, teams[policy.id])
        self._teams = {number: team for team, number in self._indexes.teams.owned().items()}
        self._note_grounds()
        for nic in nics:
            self._add_nic(nic)
        self._memory.keep_only({nic.lport for nic in nics})
        self._add_members()
        self._teaming.keep_only(self._wanted.policies, {nic.veth for nic in nics})
        self._release_unused(set(teams.values()))
        return Compiled(self._wanted, self._merge_orphans(self._image()), self._veths, tuple(self._refusals))

    def _refuse(self, subject: object, reason: str) -> None:
        self._refusals.append(want.Refusal(str(subject), reason))

    # --- uplinks and teams --------------------------------------------------------------------------------------

    def _add_uplink(self, uplink: PluggedUplink) -> None:
        wanted = self._wanted.uplinks.get(uplink.number)
        policy = self._wanted.policies.get(wanted.policy) if wanted else None
        if wanted and wanted.policy and not policy:
            self._refuse(wanted, f"policy {wanted.policy} is not known")
        usable = bool(wanted and policy and not wanted.shutdown and not policy.shutdown)
        self._ports[uplink.lport] = img.Port(
            policy=self._index(policy),
            number=uplink.number,
            mac=uplink.mac,
            uplink=True,
            link_up=uplink.link_up,
            blocked=policy is None or bool(wanted and wanted.shutdown),
        )
        if usable and uplink.lport not in self._orphans.lports:
            self._uplinks[uplink.number] = uplink

    def _check_team(self, policy: want.Policy) -> None:
        if policy.team.beacon and policy.team.balance is Balance.IP_HASH:
            self._refuse(policy, "beacon probing can't go with IP hash: all uplinks are one link there")  # S-148

    def _candidates(self, policy: want.Policy) -> list[Candidate]:
        """The uplinks that carry any VLAN of the policy, by number."""
        vlans, candidates = _vlans(policy), []
        for number, uplink in self._uplinks.items():
            profile = self._wanted.policies[self._wanted.uplinks[number].policy]
            if len(_vlans(profile) & vlans):
                agreed = not profile.channel.lacp or number in self._teaming.lacp_members
                usable = uplink.link_up and uplink.usable and agreed
                candidates.append(Candidate(number, usable, profile.channel, profile.id, profile.balance))
        return candidates

    def _team(self, choice: Choice) -> img.Team:
        return img.Team(tuple(self._uplinks[number].lport for number in choice.uplinks), choice.method)

    def _team_number(self, team: img.Team, subject: object) -> int:
        if not team.uplinks:
            return 0
        try:
            return self._indexes.teams.assign(team)
        except Unavailable as error:
            self._refuse(subject, str(error))
            return 0

    # --- policies -----------------------------------------------------------------------------------------------

    def _index(self, policy: want.Policy | None) -> int:
        """Index of a policy; the blocking one if there is none, or no room for it."""
        if policy is None:
            return BLOCKED_POLICY
        try:
            return self._indexes.policies.assign(policy.id)
        except Unavailable:
            return BLOCKED_POLICY

    def _add_policy(self, policy: want.Policy, team: img.Team) -> None:
        index = self._index(policy)
        if index == BLOCKED_POLICY:
            self._refuse(policy, f"this host holds no more than {LAST_POLICY} policies; its ports are blocked")
            return
        entry = img.Policy(
            trunk=policy.trunk,
            vlan=policy.vlan,
            allowed=policy.allowed if policy.trunk else VlanSet(),
            team=self._team_number(team, policy),
            blocked=policy.shutdown,
            forged_ok=policy.forged_transmits,
            mac_changes_ok=policy.mac_changes,
            learn=policy.mac_learning,
            unknown_flood=policy.unknown_flood,
            bpdu_ok=policy.bpdu,
            mac_limit=policy.mac_limit,
            limit_allow=policy.limit_allow,
            promiscuous=policy.promiscuous,
            storm=policy.storm,
        )
        self._policies[index] = self._memory.same(("policy", index), entry)

    # --- vNICs --------------------------------------------------------------------------------------------------

    def _add_nic(self, nic: PluggedNic) -> None:
        wanted = self._wanted.ports.get(nic.veth)
        if wanted is None:
            self._ports[nic.lport] = img.Port(
                BLOCKED_POLICY, nic.veth, nic.mac, nic.veth, link_up=nic.link_up, blocked=True, awaited=nic.veth > 0
            )
            return
        grounds = self._grounds.get(wanted.policy)
        if self._as_before(nic, wanted, (nic, wanted, grounds, self._teaming.pins.at(wanted.veth))):
            return
        policy = self._wanted.policies.get(wanted.policy)
        refused = len(self._refusals)
        if policy is None:
            self._refuse(wanted, f"policy {wanted.policy} is not known")
        mac, violation = self._effective(nic, wanted, policy)
        live = wanted.phase is want.Phase.ACTIVE and policy is not None and self._claim_mac(wanted, mac, nic.lport)
        port = img.Port(
            policy=self._index(policy),
            number=wanted.veth,
            mac=mac,
            port_id=wanted.veth,
            generation=wanted.generation & 0xFFFFFFFF,
            link_up=nic.link_up,
            blocked=not live or wanted.shutdown,
            mac_violation=violation,
            awaited=wanted.phase is want.Phase.PREPARED,
            pin=self._pin(wanted, policy),
        )
        state = self._veth_state(nic, port)
        self._ports[nic.lport], self._veths[wanted.veth] = port, state
        if len(self._refusals) == refused and nic.effective is None:
            key = nic, wanted, grounds, self._teaming.pins.at(wanted.veth)
            self._memory.put(nic.lport, key, NicEntries(port, state, live))

    def _note_grounds(self) -> None:
        lports = {number: uplink.lport for number, uplink in self._uplinks.items()}
        for ident, policy in self._wanted.policies.items():
            grounds = policy, self._policies.get(self._index(policy)), self._choices[ident], lports
            self._grounds[ident] = self._memory.same(("grounds", ident), grounds)

    def _as_before(self, nic: PluggedNic, wanted: want.Port, key: tuple[object, ...]) -> bool:
        """Take the NIC's entries from the last pass, if they would come out the same."""
        found = self._memory.get(nic.lport, key)
        if found is None or (found.live and found.port.mac in self._owner):
            return False
        if found.live:
            self._owner[found.port.mac], self._static[found.port.mac] = wanted, nic.lport
        self._ports[nic.lport], self._veths[wanted.veth] = found.port, found.state
        return True

    def _effective(self, nic: PluggedNic, port: want.Port, policy: want.Policy | None) -> tuple[MacAddress, bool]:
        """The MAC that counts, and whether the guest has one that it may not have (S-011 to S-015).

        Nobody may take another vEth's address, whatever the profile allows.
        """
        mac = nic.effective or port.mac
        if mac == port.mac or policy is None:
            return port.mac, False
        if any(other.mac == mac and other.veth != port.veth for other in self._wanted.ports.values()):
            self._refuse(port, f"the guest set MAC address {mac}, which belongs to another vEth")
            return port.mac, True
        return (mac, False) if policy.mac_changes else (port.mac, True)

    def _pin(self, port: want.Port, policy: want.Policy | None) -> int:
        """Lport of the one uplink that the port is placed on; 0: as its team's method says."""
        if policy is None:
            return 0
        number = self._teaming.pins.place(port.veth, port.veth, policy.team, self._choices[policy.id])
        return self._uplinks[number].lport if number else 0

    def _claim_mac(self, port: want.Port, mac: MacAddress, lport: int) -> bool:
        """Enter the static MAC; of two vEths with the same one the higher generation has it (S-255)."""
        rival = self._owner.get(mac)
        if rival and rival.generation >= port.generation:
            self._refuse(port, f"MAC address {mac} belongs to {rival} with a higher generation")
            return False
        if rival:
            self._refuse(rival, f"MAC address {mac} belongs to {port} with a higher generation")
            self._displace(self._static[mac], rival.veth)
        self._owner[mac] = port
        self._static[mac] = lport
        return True

    def _displace(self, lport: int, veth: int) -> None:
        loser = self._ports[lport]
        self._ports[lport] = img.Port(
            loser.policy, veth, loser.mac, veth, loser.generation, link_up=loser.link_up, blocked=True
        )
        state = self._veths[veth]
        self._veths[veth] = VethState(veth, lport, state.link_up, enabled=False)

    def _veth_state(self, nic: PluggedNic, port: img.Port) -> VethState:
        policy = self._policies.get(port.policy)
        enabled = not port.blocked and policy is not None and not policy.blocked
        return VethState(nic.veth, nic.lport, nic.link_up, enabled, self._pinned(port, policy))

    def _pinned(self, port: img.Port, policy: img.Policy | None) -> int:
        """Number of the uplink that the C twin dvs_tx_uplink would choose."""
        lport = uplink_of(port, self._teams.get(policy.team, img.Team()), port.mac) if policy else 0
        return self._ports[lport].number if lport else 0

    # --- lists and the rest -------------------------------------------------------------------------------------

    def _add_members(self) -> None:
        """A shut port stays a receiver, so that what it does not get is counted (S-240); a silent one is none."""
        by_policy: dict[int, list[int]] = defaultdict(list)
        for lport in self._static.values():
            by_policy[self._ports[lport].policy].append(lport)
        groups = tuple(Group.of(self._policies[index], lports) for index, lports in by_policy.items())
        self._receivers = self._memory.made("receivers", groups, receivers_of)

    def _release_unused(self, teams: set[img.Team]) -> None:
        orphans = self._orphans.image
        self._indexes.policies.keep_only(
            [*self._wanted.policies, *(owner for owner in self._indexes.policies.owned() if -owner in orphans.policies)]
        )
        self._indexes.teams.keep_only(teams | set(orphans.teams.values()))

    def _image(self) -> img.Image:
        owned = self._indexes.teams.owned()
        switch = self._wanted.switch
        return img.Image(
            control=img.Control(
                switch.mtu or 1500,
                self._teaming.reverse,
                switch.keep_priority_tag,
                self._teaming.rpf_promiscuous,
                switch.snooping,
            )
            if switch
            else self._orphans.image.control,
            ports=self._ports,
            policies=self._policies,
            teams={number: team for team, number in owned.items()},
            static_macs=self._static,
            members=self._receivers.members,
            unknown_members=self._receivers.unknown,
            promiscuous_members=self._receivers.promiscuous,
            groups=self._groups(),
        )

    def _groups(self) -> dict[img.Group, tuple[int, ...]]:
        """Multicast groups that are registered, as far as their members carry the VLAN.

        Orphans that had joined a group before stay in it.  A group that only they are in is not registered, so that it
        is flooded: the others that may be in it have yet to say so again.
        """
        old, groups = self._orphans.image, {}
        for group, lports in self._teaming.groups.items():
            carriers = {*self._receivers.members.get(group.vlan, ()), *old.members.get(group.vlan, ())}
            if members := carriers.intersection(lports):
                groups[group] = tuple(sorted(members.union(old.groups.get(group, ()))))
        return groups

    # --- orphans ------------------------------------------------------------------------------------------------

    def _reserve_orphans(self) -> None:
        policies, teams = self._indexes.policies, self._indexes.teams
        taken = set(policies.owned().values()) | {BLOCKED_POLICY}
        for index in self._orphans.image.policies.keys() - taken:
            policies.reserve(-index, index)
        for number, team in self._orphans.image.teams.items():
            if number not in teams.owned().values() and teams.get(team) is None:
                teams.reserve(team, number)

    def _merge_orphans(self, image: img.Image) -> img.Image:
        """Orphans keep their entries; where both have one for an lport, the orphan's stays."""
        old = self._orphans.image
        if not self._orphans.lports:
            return image
        return img.Image(
            control=image.control,
            ports={**image.ports, **old.ports},
            policies={**old.policies, **image.policies},
            teams={**old.teams, **image.teams},
            static_macs={**old.static_macs, **image.static_macs},
            members=_merged_lists(old.members, image.members),
            unknown_members=_merged_lists(old.unknown_members, image.unknown_members),
            promiscuous_members=_merged_lists(old.promiscuous_members, image.promiscuous_members),
            groups=image.groups,
        )


def restrict(image: img.Image, lports: Iterable[int]) -> Orphans:
    """The part of an adopted Image that keeps these lports going."""
    kept = frozenset(lports) & image.ports.keys()
    if not kept:
        return Orphans()
    return Orphans(
        img.Image(
            control=image.control,
            ports={lport: image.ports[lport] for lport in kept},
            policies=image.policies,
            teams=image.teams,
            static_macs={mac: lport for mac, lport in image.static_macs.items() if lport in kept},
            members=_restricted_lists(image.members, kept),
            unknown_members=_restricted_lists(image.unknown_members, kept),
            promiscuous_members=_restricted_lists(image.promiscuous_members, kept),
            groups=_restricted_lists(image.groups, kept),
        ),
        kept,
    )


Key = TypeVar("Key")
Lists = Mapping[int, tuple[int, ...]]


def _restricted_lists(lists: Mapping[Key, tuple[int, ...]], kept: frozenset[int]) -> dict[Key, tuple[int, ...]]:
    reduced = {key: tuple(lport for lport in lports if lport in kept) for key, lports in lists.items()}
    return {key: lports for key, lports in reduced.items() if lports}


def _merged_lists(one: Lists, other: Lists) -> dict[int, tuple[int, ...]]:
    return {
        vlan: tuple(sorted({*one.get(vlan, ()), *other.get(vlan, ())})) for vlan in sorted(one.keys() | other.keys())
    }


def _vlans(policy: want.Policy) -> VlanSet:
    return policy.allowed if policy.trunk else VlanSet.of([policy.vlan])


__all__ = [
    "BLOCKED_POLICY",
    "Compiled",
    "Compiler",
    "Indexes",
    "NicEntries",
    "Orphans",
    "PluggedNic",
    "PluggedUplink",
    "VethState",
    "compile_image",
    "restrict",
]
