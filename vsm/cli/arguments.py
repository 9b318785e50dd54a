"""The types of CLI arguments: what each accepts, the value it gives, and how it shows up in help.

A syntax string (vsm/cli/syntax.py) names a type after the colon: ``<vlan:vlan-id>``; ``<n:1-32>`` is a number in that
range.  parse() returns the value or raises Mismatch with the sentence for the operator.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_address
from typing import Any
from uuid import UUID

from dvswitch.errors import InvalidValue
from dvswitch.host_commands import POINTS
from dvswitch.mac import MacAddress
from dvswitch.vlan import VlanSet
from vsm.model import banner
from vsm.model.interfaces import (
    MAX_CHANNEL,
    MAX_UPLINK,
    Ethernet,
    Interface,
    Named,
    PortChannel,
    Vethernet,
    parse_interface,
)
from vsm.model.macs import check_prefix
from vsm.model.passwords import LONGEST, is_hash
from vsm.model.state import MAX_VETH, State
from vsm.model.users import BUILT_IN
from vsm.store.bootflash import file_name

INVALID = "Invalid command"


class Mismatch(Exception):
    """A word is not of the wanted type; the message completes "% … at '^' marker."."""

    def __init__(self, message: str = INVALID) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True)
class ArgumentType:
    """How one kind of argument is read and explained."""

    placeholder: str
    """Shown by `?`: "<1-4094>", "WORD", "LINE"."""
    help: str
    parse: Callable[[str], Any]
    rest: bool = False
    """Takes the rest of the line, blanks included."""
    known: Callable[[State], Iterable[str]] | None = None
    """Values that exist already, for completion."""


def number(low: int, high: int, help_text: str = "Number") -> ArgumentType:
    """A decimal number within low..high."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"-?\d{1,12}", text):
            raise Mismatch
        if not low <= int(text) <= high:
            raise Mismatch(f"Invalid number, range is ({low}-{high})")
        return int(text)

    return ArgumentType(f"<{low}-{high}>", help_text, parse)


def word(limit: int, help_text: str, known: Callable[[State], Iterable[str]] | None = None) -> ArgumentType:
    """One word of at most ``limit`` printable characters."""

    def parse(text: str) -> str:
        if not re.fullmatch(r"[!-~]+", text) or "|" in text:
            raise Mismatch
        if len(text) > limit:
            raise Mismatch(f"String exceeded max length of ({limit})")
        return text

    return ArgumentType("WORD", f"{help_text} (max {limit} characters)", parse, known=known)


def line(limit: int, help_text: str) -> ArgumentType:
    """The rest of the line."""

    def parse(text: str) -> str:
        if not text.isprintable():
            raise Mismatch
        if len(text) > limit:
            raise Mismatch(f"String exceeded max length of ({limit})")
        return text

    return ArgumentType("LINE", f"{help_text} (max {limit} characters)", parse, rest=True)


def _vlan_list(text: str) -> VlanSet:
    if not re.fullmatch(r"\d{1,9}(-\d{1,9})?(,\d{1,9}(-\d{1,9})?)*", text):
        raise Mismatch
    if any(not 1 <= int(item) <= 4094 for item in re.findall(r"\d+", text)):
        raise Mismatch("Invalid number, range is (1-4094)")
    try:
        return VlanSet.parse(text)
    except InvalidValue:
        raise Mismatch("Invalid range") from None


def _numbers(text: str, low: int, high: int) -> list[int]:
    """``1-4,7`` as numbers; Mismatch if malformed, backwards or out of low..high."""
    found: list[int] = []
    for item in text.split(","):
        match = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", item)
        if not match:
            raise Mismatch("Invalid interface format")
        first, last = int(match[1]), int(match[2] or match[1])
        if not low <= first <= high or not low <= last <= high:
            raise Mismatch(f"Invalid number, range is ({low}-{high})")
        if first > last or last - first >= 1000:
            raise Mismatch("Invalid range")
        found += range(first, last + 1)
    return found


def _uplink_list(text: str, lowest: int = 1) -> tuple[int, ...]:
    """``2,1,3-4`` or ``2 1 3-4`` in the order given."""
    found = _numbers(re.sub(r"\s*,\s*|\s+", ",", text), lowest, MAX_UPLINK)
    if len(set(found)) < len(found):
        raise Mismatch("Uplink named twice")
    return tuple(found)


def _group_list(text: str) -> tuple[int, ...]:
    return _uplink_list(text, 0)


def _veths(text: str) -> tuple[Interface, ...]:
    return tuple(Vethernet(n) for n in dict.fromkeys(_numbers(text, 1, MAX_VETH)))


def _ethernets(text: str) -> tuple[Interface, ...]:
    found: list[Interface] = []
    for item in re.split(r",(?=\d+/)", text):
        match = re.fullmatch(r"(\d{1,4})/([\d,-]+)", item)
        if not match:
            raise Mismatch("Invalid interface format")
        try:
            found += [Ethernet(int(match[1]), port) for port in _numbers(match[2], 1, MAX_UPLINK)]
        except InvalidValue as error:
            raise Mismatch("Invalid interface format") from error
    return tuple(dict.fromkeys(found))


def _single(parse: Callable[[str], tuple[Interface, ...]]) -> Callable[[str], tuple[Interface, ...]]:
    def checked(text: str) -> tuple[Interface, ...]:
        found = parse(text)
        if len(found) != 1:
            raise Mismatch("Invalid interface format")
        return found

    return checked


def _interface(text: str) -> tuple[Interface, ...]:
    try:
        return (parse_interface(text),)
    except InvalidValue:
        if re.match(r"(v|e)[a-z]* ?\d", text, re.IGNORECASE):
            raise Mismatch("Invalid interface format") from None
        raise Mismatch from None


def _interface_range(text: str) -> tuple[Interface, ...]:
    """``Vethernet1-4,7`` or ``Eth3/1-2``: a name whose numbers are a range."""
    match = re.fullmatch(r"([a-z]+)(\d.*)", text, re.IGNORECASE)
    if not match:
        raise Mismatch
    kind = match[1].lower()
    if "vethernet".startswith(kind):
        return _veths(match[2])
    if "ethernet".startswith(kind):
        return _ethernets(match[2])
    raise Mismatch


def _port_channels(text: str) -> tuple[Named, ...]:
    return tuple(PortChannel(n) for n in dict.fromkeys(_numbers(text, 1, MAX_CHANNEL)))


_KINDS: dict[str, Callable[[str], tuple[Named, ...]]] = {
    "vethernet": _veths,
    "ethernet": _ethernets,
    "port-channel": _port_channels,
}


def _range_from(kind: str) -> Callable[[str], tuple[Named, ...]]:
    """``1-4, 7, ethernet 3/1-2, Po1``: numbers of ``kind``, or "" for a name first, until another kind is named.

    Blanks may stand around commas and hyphens, as people write them on NX-OS.
    """

    def parse(text: str) -> tuple[Named, ...]:
        text = re.sub(r"\s*([,-])\s*", r"\1", text)
        found: list[Named] = []
        current = kind
        # A number behind a comma that has no kind and no slot of its own belongs to the item before it.
        for item in re.split(r",(?=[a-z])|,(?=\d+/)", text, flags=re.IGNORECASE):
            match = re.fullmatch(r"(?:([a-z]+(?:-[a-z]+)?)\s*)?(\d[\d/,-]*)", item, re.IGNORECASE)
            current = _kind_of(match[1]) if match and match[1] else current
            if not match or not current:
                raise Mismatch("Invalid interface format" if found or kind else INVALID)
            found += _KINDS[current](match[2])
        return tuple(dict.fromkeys(found))

    return parse


def _kind_of(word: str) -> str:
    found = [kind for kind in _KINDS if kind.startswith(word.lower())]
    return found[0] if len(found) == 1 else ""


def _channel(text: str) -> int:
    """``port-channel1``, ``po1``: the name in one word."""
    match = re.fullmatch(r"(po[a-z-]*)(\d{1,9})", text, re.IGNORECASE)
    if not match or not "port-channel".startswith(match[1].lower()):
        raise Mismatch
    if not 1 <= int(match[2]) <= MAX_CHANNEL:
        raise Mismatch(f"Invalid number, range is (1-{MAX_CHANNEL})")
    return int(match[2])


def _uuid(text: str) -> str:
    try:
        return str(UUID(text)) if len(text) == 36 else _refuse("Invalid UUID")
    except ValueError:
        return _refuse("Invalid UUID")


def _mac(text: str) -> MacAddress:
    try:
        return MacAddress.parse(text)
    except InvalidValue:
        raise Mismatch("Invalid mac address (allowed: 5254.0012.3456, 52:54:00:12:34:56)") from None


def _mac_prefix(text: str) -> str:
    try:
        return check_prefix(text)
    except InvalidValue:
        raise Mismatch("Invalid mac prefix") from None


def _as_typed(expression: str, message: str = INVALID) -> Callable[[str], str]:
    """The text itself, if it has this form: for a module that reads it again."""

    def parse(text: str) -> str:
        return text if re.fullmatch(expression, text, re.IGNORECASE) else _refuse(message)

    return parse


def _network(text: str) -> IPv4Network:
    """A network as A.B.C.D/LEN, or an address."""
    try:
        return IPv4Network(text)
    except ValueError:
        raise Mismatch("Invalid ip address") from None


def _file(text: str) -> str:
    """A file in bootflash, with or without the prefix; gives its name."""
    try:
        return file_name(text)
    except InvalidValue:
        raise Mismatch("Invalid file name") from None


def _flash_file(text: str) -> str:
    """Likewise, where the prefix is needed to tell it from other things."""
    return _file(text) if text.lower().startswith("bootflash:") else _refuse(INVALID)


def _network_file(text: str) -> str:
    return text if re.match(r"(s?ftp|tftp|scp|https?):", text, re.IGNORECASE) else _refuse(INVALID)


def _hostname(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", text):
        raise Mismatch
    return text if len(text) <= 63 else _refuse("String exceeded max length of (63)")


def _server(text: str) -> str:
    """An IPv4 or IPv6 address, or a name."""
    if ":" in text or re.fullmatch(r"[\d.]+", text):
        try:
            return str(ip_address(text))
        except ValueError:
            raise Mismatch("Invalid ip address") from None
    return text.lower() if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,252}", text) else _refuse(INVALID)


def _name_of(limit: int) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", text):
            raise Mismatch
        return text if len(text) <= limit else _refuse(f"String exceeded max length of ({limit})")

    return parse


def _secret(text: str) -> str:
    if not re.fullmatch(r"[!-~]+", text):
        raise Mismatch
    return text if len(text) <= LONGEST else _refuse(f"String exceeded max length of ({LONGEST})")


def _password_hash(text: str) -> str:
    return text if is_hash(text) else _refuse("Invalid password hash")


def _rule_command(text: str) -> str:
    if not text.isprintable() or ";" in text or text.count("*") > 4:
        raise Mismatch
    return " ".join(text.split()) if len(text) <= 128 else _refuse("String exceeded max length of (128)")


def _banner(text: str) -> str:
    try:
        return banner.read(text)
    except InvalidValue as error:
        raise Mismatch(f"Banner {error.problem}") from None


def _feature(text: str) -> str:
    from vsm.cli.features import FEATURES  # the table knows which commands are of which feature, and needs the types

    if text.lower() not in FEATURES:
        raise Mismatch(f"Unknown feature, choose from {', '.join(FEATURES)}")
    return text.lower()


def _features(_state: State) -> Iterable[str]:
    from vsm.cli.features import FEATURES

    return FEATURES


def _sshkey(text: str) -> str:
    """A public key in the form of OpenSSH, of a kind that is still safe."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import dsa, rsa
    from cryptography.hazmat.primitives.serialization import load_ssh_public_key

    if not text.isprintable() or len(text) > 2000:
        return _refuse("Invalid public key")
    try:
        key = load_ssh_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm):
        return _refuse("Invalid public key")
    if isinstance(key, dsa.DSAPublicKey) or (isinstance(key, rsa.RSAPublicKey) and key.key_size < 2048):
        return _refuse("Too weak public key")
    return " ".join(text.split())


def _refuse(message: str) -> str:
    raise Mismatch(message)


def _profiles(state: State) -> Iterable[str]:
    return sorted(state.config.profiles)


def _connections(state: State) -> Iterable[str]:
    return sorted(state.config.connections)


def _users(state: State) -> Iterable[str]:
    return sorted(state.config.users)


def _roles(state: State) -> Iterable[str]:
    return [*BUILT_IN, *sorted(state.config.roles)]


def _checkpoints(state: State) -> Iterable[str]:
    return sorted(state.archive.checkpoints)


def _veth_numbers(state: State) -> Iterable[str]:
    return [str(n) for n in sorted(state.inventory.veths)]


def _channels(state: State) -> Iterable[str]:
    return [str(n) for n in sorted(state.inventory.channels.values())]


def _uplinks(state: State) -> Iterable[str]:
    return [f"{slot}/{n}" for slot, n in sorted(state.inventory.uplinks)]


_IFNAME = r"v(eth(ernet)?)?\d{1,7}|e(th(ernet)?)?(\d{1,2}/)?\d{1,2}"
_POINT = f"Unknown point, choose from {', '.join(POINTS)}"
_VETH_RANGE, _VETH = f"<1-{MAX_VETH}>[,-]", f"<1-{MAX_VETH}>"
_PORT_HELP = "Slot and port number"
_PORT_RANGE, _PORTS_HELP = "<3-66>/<1-32>[,-]", f"{_PORT_HELP}s, as 3/1-2"
_VETHS_HELP = "Numbers of vEthernets, as 1-4,7"

TYPES: dict[str, ArgumentType] = {
    "vlan-id": number(1, 4094, "VLAN id"),
    "vlan-list": ArgumentType("<1-4094>[,-]", "VLAN ids, as 1,10-20", _vlan_list),
    "profile": word(80, "Name of the port-profile", _profiles),
    "group": word(80, "Name of the port group"),
    "connection": word(80, "Name by which the manager connects", _connections),
    "vlan-name": word(32, "Name of the vlan"),
    "word": word(80, "Text without blanks"),
    "pattern": line(200, "Regular expression"),
    "text": line(254, "Text"),
    "checkpoint": word(80, "Name of the checkpoint", _checkpoints),
    "new-checkpoint": word(80, "Name of the new checkpoint"),
    "session": word(64, "Name of the configuration session"),
    "file": ArgumentType("FILE", "Name of the file, as bootflash:NAME", _file),
    "flash-file": ArgumentType("bootflash:FILE", "A file of the supervisor", _flash_file),
    "network-file": ArgumentType("SCHEME://HOST/FILE", "A file of another machine", _network_file),
    "hostname": ArgumentType("WORD", "Name of the switch (max 63 characters)", _hostname),
    "user-name": ArgumentType("WORD", "Name of the user (max 32 characters)", _name_of(32), known=_users),
    "server": ArgumentType("WORD", "IPv4 or IPv6 address, or name of the server", _server),
    "role-name": ArgumentType("WORD", "Name of the role (max 32 characters)", _name_of(32), known=_roles),
    "secret": ArgumentType("WORD", f"Password (max {LONGEST} characters)", _secret),
    "password-hash": ArgumentType("WORD", "Hash of the password", _password_hash),
    "sshkey": ArgumentType("LINE", "Public key, as ssh-ed25519 AAAA... or ssh-rsa AAAA...", _sshkey, rest=True),
    "rule-command": ArgumentType(
        "LINE", "Beginning of commands in full words; * is anything", _rule_command, rest=True
    ),
    "feature": ArgumentType("WORD", "Name of the feature", _feature, known=_features),
    "banner": ArgumentType("LINE", "Text between two of the same character, as #TEXT#", _banner, rest=True),
    "login-line": ArgumentType("WORD", "Name of the terminal, as pts/0", _as_typed(r"pts/\d{1,4}")),
    "network": ArgumentType("A.B.C.D|A.B.C.D/LEN", "An address, or a network", _network),
    "uuid": ArgumentType("UUID", "Host UUID, as 1d2f8a10-55aa-4c1e-9a41-0c0ffee00033", _uuid),
    "mac": ArgumentType("E.E.E", "MAC address, as 5254.0012.3456 or 52:54:00:12:34:56", _mac),
    "mac-prefix": ArgumentType("E:E:E", "1-5 octets for local use, as 52:54:00 or 02", _mac_prefix),
    "ifname": ArgumentType("IFNAME", "Name of an interface, as Veth5 or Eth3/1", _as_typed(_IFNAME)),
    "number": ArgumentType("NUMBER", "Number, as 2048 or 0x0800", _as_typed(r"\d{1,9}|0x[0-9a-f]{1,8}")),
    "hex": ArgumentType("HEX", "Bytes in hexadecimal", _as_typed("[0-9a-f:]+")),
    "seconds": ArgumentType("SECONDS", "Seconds, as 5 or 0.5", _as_typed(r"\d{1,4}(\.\d{1,3})?")),
    "point": ArgumentType(
        "POINT", "Point of a frame's way", _as_typed("|".join(POINTS), _POINT), known=lambda _: POINTS
    ),
    "direction": ArgumentType("DIR", "in or 0, out or 1", _as_typed("in|out|0|1"), known=lambda _: ("in", "out")),
    "veth": ArgumentType(_VETH, "Number of the vEthernet", _single(_veths), known=_veth_numbers),
    "veths": ArgumentType(_VETH_RANGE, _VETHS_HELP, _veths, known=_veth_numbers),
    "port": ArgumentType("<3-66>/<1-32>", _PORT_HELP, _single(_ethernets), known=_uplinks),
    "ports": ArgumentType(_PORT_RANGE, _PORTS_HELP, _ethernets, known=_uplinks),
    "uplink-list": ArgumentType("<1-32>[,-]", "Numbers of uplinks in order, as 2,1 or 1-4", _uplink_list),
    "channels": ArgumentType("<1-4096>[,-]", "Numbers of port-channels, as 1,3", _port_channels, known=_channels),
    "any-interfaces": ArgumentType("IFNAME[,-]", "Name of interfaces, as Veth1-4, Eth3/1 or Po1", _range_from("")),
    "veth-range": ArgumentType(
        _VETH_RANGE, f"{_VETHS_HELP}, other interfaces", _range_from("vethernet"), rest=True, known=_veth_numbers
    ),
    "port-range": ArgumentType(
        _PORT_RANGE, f"{_PORTS_HELP}, other interfaces", _range_from("ethernet"), rest=True, known=_uplinks
    ),
    "channel-range": ArgumentType(
        "<1-4096>[,-]", "Numbers of port-channels, as 1,3", _range_from("port-channel"), rest=True, known=_channels
    ),
    "interface-range": ArgumentType(
        "IFNAME[,-]", "Names of interfaces, as Veth1-4,Eth3/1,Po1", _range_from(""), rest=True
    ),
    "channel": ArgumentType("port-channelN", "Name of a port-channel, as Po1", _channel),
    "group-list": ArgumentType("<0-32>[,-]", "Numbers of sub-groups in order, as 2,1", _group_list, rest=True),
    "interface": ArgumentType("IFNAME", "Name of an interface, as Veth5 or Eth3/1", _interface),
    "interfaces": ArgumentType("IFNAME[,-]", "Name of interfaces, as Veth1-4 or Eth3/1", _interface_range),
}
"""By the name used in syntax strings."""


def argument_type(name: str) -> ArgumentType:
    """The type called ``name``, or the number range it spells; KeyError if there is none (a bug in a table)."""
    if found := re.fullmatch(r"(\d+)-(\d+)", name):
        return number(int(found[1]), int(found[2]))
    return TYPES[name]
