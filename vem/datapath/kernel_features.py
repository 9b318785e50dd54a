"""Which features of the kernel engine's program the tables need: the one list of them is DVS_FEATURE_* in src/abi.h.

The program is loaded with what is needed and nothing else, for what is not in it costs no frame anything.  So whoever
writes tables asks here first, and has the program loaded anew when something is missing (kernel_program.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from vem.datapath.abi import CONSTANTS
from vem.datapath.image import Control, Method, Policy, Port, Storm, Team

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
    }
    return bits(*(name for name, yes in wanted.items() if yes))


__all__ = ["ALL", "BITS", "NONE", "bits", "names", "of_config", "of_port"]
