"""Which features of the forwarding code the tables need: the one list of them is DVS_FEATURE_* in src/abi.h.

What is not in the code costs no frame anything.  So whoever writes tables asks here first: the kernel engine loads its
program anew when something is missing (kernel_program.py), the user engine has some builds to choose from
(src/user_choose.h).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import reduce

from vem.datapath.abi import CONSTANTS
from vem.datapath.image import Control, Method, Niv, Policy, Port, Storm, Team

_PREFIX = "DVS_FEATURE_"
BITS: Mapping[str, int] = {
    name.removeprefix(_PREFIX).lower(): bit for name, bit in CONSTANTS.items() if name.startswith(_PREFIX)
}
"""Feature -> its bit, as in dvs_features: "storm" -> DVS_FEATURE_STORM."""
NONE, ALL = 0, CONSTANTS["DVS_FEATURES_ALL"]


def bits(*names: str) -> int:
    """The features of these names, together."""
    return sum(BITS[name] for name in names)


def names(features: int) -> list[str]:
    """For people."""
    return [name for name, bit in BITS.items() if features & bit]


def of_config(control: Control, policies: Iterable[Policy], teams: Iterable[Team]) -> int:
    """What Engine.set_config asks for."""
    policies, teams = tuple(policies), tuple(teams)
    wanted = {
        "storm": any(policy.storm != Storm() for policy in policies),
        "promiscuous": any(policy.promiscuous for policy in policies),
        "learn": any(policy.learn for policy in policies),
        "read_ip": control.snooping or any(team.method is Method.IP_HASH for team in teams),
        "uplink": any(team.uplinks for team in teams),
        "niv": control.niv or control.vepa,
    }
    return bits(*(name for name, yes in wanted.items() if yes))


def of_port(port: Port | None) -> int:
    """What Engine.set_port asks for."""
    if port is None:
        return NONE
    wanted = {
        "uplink": port.uplink,
        "lag": port.is_lag or port.lag,
        "mirror": port.mirror_rx or port.mirror_tx,
        "mobility": port.tunnel,
        "niv": port.niv is not Niv.NONE or port.link or port.reflective,
    }
    return bits(*(name for name, yes in wanted.items() if yes))


class Asked:
    """Who asks for which features, of tables that are written one by one.  ``put`` gets all of them together, at once
    and whenever that changes."""

    def __init__(self, put: Callable[[int], None]) -> None:
        self._put = put
        self._by: dict[Hashable, int] = {}
        self._together = NONE
        put(NONE)

    @contextmanager
    def writing(self, who: Hashable, features: int) -> Iterator[None]:
        """While a table is written that asks for these features from now on; those that it asked for before are there
        until it is written, and for good if that fails."""
        before = self._by.get(who, NONE)
        self._note(who, before | features)
        yield
        self._note(who, features)

    def _note(self, who: Hashable, features: int) -> None:
        if features == self._by.pop(who, NONE) == NONE:
            return
        if features:
            self._by[who] = features
        together = reduce(operator.or_, self._by.values(), NONE)
        if together != self._together:
            self._put(together)
            self._together = together


__all__ = ["ALL", "BITS", "NONE", "Asked", "bits", "names", "of_config", "of_port"]
