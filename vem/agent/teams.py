"""Teaming as the agent holds it: what is remembered of uplinks, teams and pins between passes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from dvswitch.mac import MacAddress
from vem.agent.wanted import Policy
from vem.datapath.image import Group, Method, Port, Team
from vem.teaming.health import HealthBook
from vem.teaming.pinning import Pins, Place
from vem.teaming.team import Candidate, Choice, TeamMemory, choose, members


class Teaming:
    """Memory of one host."""

    def __init__(self, places: dict[int, Place] | None = None) -> None:
        self.health = HealthBook()
        self.pins = Pins(places)
        self.reverse = True
        """False, for diagnosis: receivers take frames from every uplink (S-128)."""
        self.rpf_promiscuous = True
        """False: promiscuous ports see reflected frames of local origin too (S-111)."""
        self.groups: Mapping[Group, Collection[int]] = {}
        """Multicast groups that snooping knows, with the lports in them."""
        self.lacp_members: frozenset[int] = frozenset()
        """Uplinks that LACP lets carry traffic."""
        self.probed: dict[int, tuple[tuple[int, ...], int]] = {}
        """By policy id: uplinks that probe each other by beacons, and the VLAN in which they do."""
        self.choices: dict[int, Choice] = {}
        """By policy id."""
        self._teams: dict[int, TeamMemory] = {}

    def choose(self, policy: Policy, candidates: Sequence[Candidate]) -> Choice:
        """The team of a profile's ports."""
        choice = choose(policy.team, candidates, self._teams.setdefault(policy.id, TeamMemory()))
        self.choices[policy.id] = choice
        self.probed.pop(policy.id, None)
        if policy.team.beacon and not choice.is_lag:
            # of a trunk only the VLAN of untagged frames: guests' own VLANs are theirs (S-149)
            self.probed[policy.id] = members(policy.team, candidates), policy.vlan
        return choice

    def keep_only(self, policies: Collection[int], veths: Collection[int]) -> None:
        """Forget profiles that are gone and ports that are unplugged."""
        for memory in (self._teams, self.choices, self.probed):
            for ident in memory.keys() - set(policies):
                memory.pop(ident)
        self.pins.keep_only(veths)


def uplink_of(port: Port, team: Team, mac: MacAddress) -> int:
    """Lport of the uplink that frames from ``mac`` behind ``port`` leave by; 0: none, or any of a LAG's.

    The C twin is dvs_tx_uplink.
    """
    if port.pin:
        return port.pin
    if not team.uplinks or team.method is Method.IP_HASH:
        return 0
    keys = {Method.PORT_ID: port.port_id, Method.SOURCE_MAC: mac.octets[5], Method.EXPLICIT: 0}
    return team.uplinks[keys[team.method] % len(team.uplinks)]


__all__ = ["Teaming", "uplink_of"]
