"""The `ovs-vsctl` command lines that libvirt runs, understood; nothing is done here (vem/libvirt/vsctl.py does it).

    --timeout=5 -- --may-exist add-port br0 vnet3 tag=10 -- set Interface vnet3 'external-ids:attached-mac="52:.."' ..
    --timeout=5 -- --if-exists del-port vnet3
    --timeout=5 --if-exists get Interface vnet3 external_ids:PortData
    --timeout=5 set Interface vnet3 'external_ids:PortData="..."'
    --timeout=5 --if-exists --format=list --data=json --no-headings --columns=statistics list Interface vnet3
    --timeout=5 iface-to-br vnet3

Everything else is refused by its name: a switch that takes an order and does nothing about it helps nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from dvswitch.errors import InvalidValue

DEFAULT_TIMEOUT = 5.0
"""Seconds, when the command line names none."""
PORT_DATA = "PortData"
"""The key of what libvirt carries from the source of a migration to its target."""
_VLANS = ("tag", "trunk", "trunks", "vlan_mode")
_FORMATS = ("format", "data", "columns")
_PLAIN = ("no-headings", "no-heading")


@dataclass(frozen=True, slots=True)
class AddPort:
    """Plug an interface in."""

    bridge: str
    port: str
    vlan: tuple[str, ...] = ()
    """tag=, trunk=, vlan_mode= as they were given."""
    ids: Mapping[str, str] = field(default_factory=dict)
    """External ids: attached-mac, iface-id, vm-id, port-profile, ..."""


@dataclass(frozen=True, slots=True)
class DelPort:
    """Unplug it."""

    port: str
    if_exists: bool = False


@dataclass(frozen=True, slots=True)
class GetId:
    """Tell one of its external ids."""

    port: str
    key: str
    if_exists: bool = False


@dataclass(frozen=True, slots=True)
class SetIds:
    """Change its external ids."""

    port: str
    ids: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ListStatistics:
    """Tell its counters, in JSON."""

    port: str
    if_exists: bool = False


@dataclass(frozen=True, slots=True)
class FindBridge:
    """Tell the bridge that it is plugged into."""

    port: str


Command = AddPort | DelPort | GetId | SetIds | ListStatistics | FindBridge


@dataclass(frozen=True, slots=True)
class CommandLine:
    """What one run of the program is asked to do, in order."""

    commands: tuple[Command, ...]
    timeout: float = DEFAULT_TIMEOUT
    """Seconds that it may take."""


@dataclass(slots=True)
class _Options:
    """Collected from the words that begin with '--'."""

    timeout: float = DEFAULT_TIMEOUT
    flags: set[str] = field(default_factory=set)
    formats: dict[str, str] = field(default_factory=dict)

    @property
    def if_exists(self) -> bool:
        return "if-exists" in self.flags


def parse(words: Sequence[str]) -> CommandLine:
    """The commands of a command line, without the program's name; InvalidValue names what is not known here."""
    options = _Options()
    commands: list[Command] = []
    for group in _groups(words):
        options.flags.clear()
        rest = _take_options(group, options)
        if rest:
            _merge(commands, _command(rest, options))
    if not commands:
        raise _refused("an empty command line")
    return CommandLine(tuple(commands), options.timeout)


def _groups(words: Sequence[str]) -> Iterable[list[str]]:
    return [list(group) for between, group in groupby(words, lambda word: word == "--") if not between]


def _take_options(words: Sequence[str], options: _Options) -> list[str]:
    """The words after the options that stand before a command."""
    rest = list(words)
    while rest and rest[0].startswith("-"):
        name, _, value = rest.pop(0).lstrip("-").partition("=")
        if name in ("timeout", "t", "T"):
            options.timeout = _seconds(value or (rest.pop(0) if rest else ""))
        elif name in _FORMATS:
            options.formats[name] = value
        elif name in ("may-exist", "if-exists", *_PLAIN):
            options.flags.add(name)
        else:
            raise _refused(f"option '--{name}'")
    return rest


def _command(words: Sequence[str], options: _Options) -> Command:
    match words:
        case ["add-port", bridge, port, *columns]:
            return AddPort(bridge, port, _vlan(columns))
        case ["del-port", port] | ["del-port", _, port]:
            return DelPort(port, options.if_exists)
        case ["get", "Interface", port, column]:
            return GetId(port, _external_id(column), options.if_exists)
        case ["set", "Interface", port, *assignments] if assignments:
            return SetIds(port, dict(_assignment(each) for each in assignments))
        case ["list", "Interface", port] if options.formats.get("columns") == "statistics":
            if options.formats.get("data") != "json" or options.formats.get("format") != "list":
                raise _refused("statistics other than with --format=list --data=json")
            return ListStatistics(port, options.if_exists)
        case ["iface-to-br", port]:
            return FindBridge(port)
    if any("qos" in word for word in words):
        raise InvalidValue("bandwidth", "of an interface is not supported yet", "leave <bandwidth> out")
    if words[:2] in (["set", "Port"], ["clear", "Port"]):
        raise InvalidValue("VLAN", "of a running interface can't be changed: its port-profile has the say")
    raise _refused(f"'{' '.join(words[:2])}'")


def _merge(commands: list[Command], command: Command) -> None:
    """External ids that follow their port's add-port belong to it."""
    last = commands[-1] if commands else None
    if isinstance(last, AddPort) and isinstance(command, SetIds) and command.port == last.port:
        commands[-1] = replace(last, ids={**last.ids, **command.ids})
    else:
        commands.append(command)


def _vlan(columns: Iterable[str]) -> tuple[str, ...]:
    for column in columns:
        if column.partition("=")[0] not in _VLANS:
            raise _refused(f"add-port with '{column}'")
    return tuple(columns)


def _external_id(column: str) -> str:
    table, _, key = column.partition(":")
    if table not in ("external_ids", "external-ids") or not key:
        raise _refused(f"column '{column}'")
    return key


def _assignment(text: str) -> tuple[str, str]:
    column, found, value = text.partition("=")
    if not found:
        raise _refused(f"'{text}'")
    return _external_id(column), _unquoted(value)


def _unquoted(value: str) -> str:
    """Without the quotes of a string; libvirt puts no escapes in."""
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value


def _seconds(text: str) -> float:
    if not text.isdigit():
        raise InvalidValue(f"time-out '{text}'", "is no number of seconds")
    return float(text) or DEFAULT_TIMEOUT


def _refused(what: str) -> InvalidValue:
    return InvalidValue(what, "is nothing that dvs-ovs-vsctl does", "it serves libvirt; see docs/libvirt.md")


__all__ = [
    "PORT_DATA",
    "AddPort",
    "Command",
    "CommandLine",
    "DelPort",
    "FindBridge",
    "GetId",
    "ListStatistics",
    "SetIds",
    "parse",
]
