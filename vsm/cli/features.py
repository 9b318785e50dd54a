"""Which feature a command belongs to, for rules of roles (`rule 1 permit read-write feature vlan`).

Of a sub-mode's commands that is its object's feature; of others the first words say it, whether they configure or show.
"""

from __future__ import annotations

import re
from functools import cache

from vsm.cli.command import Command, Mode

SYSTEM = "system"
"""What belongs to nothing else."""
_BY_MODE = {
    Mode.PROFILE: "port-profile",
    Mode.INTERFACE: "interface",
    Mode.VLAN: "vlan",
    Mode.VEM: "svs",
    Mode.SVS_DOMAIN: "svs",
    Mode.SVS_CONNECTION: "svs",
    Mode.ROLE: "aaa",
    Mode.LINE: "aaa",
    Mode.CONSOLE: "aaa",
    Mode.SESSION: "configuration",
}
_WORDS = {
    "aaa": "aaa username role tacacs-server radius-server user-account users user line",
    "acl": "ip_access-list access-lists",
    "cdp": "cdp",
    "configuration": "copy delete dir file write running-config startup-config checkpoint rollback diff configure "
    "configuration reload",
    "dhcp": "ip_dhcp ip_arp",
    "igmp-snooping": "ip_igmp",
    "interface": "interface counters network-uplinks drops trace storm-control pinning",
    "lldp": "lldp",
    "logging": "logging",
    "mac": "mac",
    "netflow": "flow",
    "port-channel": "port-channel lacp",
    "port-profile": "port-profile teaming",
    "qos": "class-map policy-map",
    "span": "monitor",
    "ssh": "ssh feature_ssh",
    "svs": "module vem svs svs-domain",
    "vlan": "vlan bridge-domain",
}
"""First words, `show`, `clear` and `no` aside; "a_b" is two words."""
_BY_WORDS = {words: feature for feature, known in _WORDS.items() for words in known.replace("_", "\0").split()}
FEATURES = tuple(sorted([*_WORDS, SYSTEM]))
"""By name."""


def features_of(command: Command) -> frozenset[str]:
    """A row of profiles and interfaces belongs to both; every other row to one feature."""
    return _features(command.modes, command.syntax)


@cache
def _features(modes: tuple[Mode, ...], syntax: str) -> frozenset[str]:
    found = {_BY_MODE[mode] for mode in modes if mode in _BY_MODE}
    return frozenset(found or {_by_words(syntax)})


def _by_words(syntax: str) -> str:
    first = re.sub(r"[\[{]\s*([^|{}\[\]]*)(\|[^{}\[\]]*)?[\]}]", r"\1", syntax)
    words = re.findall(r"[^\s{}\[\]|]+", first)
    while len(words) > 1 and words[0] in ("show", "clear", "no"):
        del words[0]
    two = "\0".join(words[:2])
    return _BY_WORDS.get(two) or _BY_WORDS.get(words[0], SYSTEM)
