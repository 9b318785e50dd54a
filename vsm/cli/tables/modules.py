"""Commands that modules answer: `module vem N execute ...` (the list is dvswitch.host_commands), `trace interface`, and
what was dropped."""

from __future__ import annotations

from dvswitch.errors import NotFound
from dvswitch.host_commands import COMMANDS, TRACE, HostCommand, Option
from vsm.cli.command import Ask, Call, Command, Mode, Run, View
from vsm.cli.report import Report
from vsm.cli.show import drops, multicast
from vsm.model.cards import CARD_WORD, for_holder
from vsm.model.interfaces import Ethernet
from vsm.model.state import State

_ONE = "{vethernet <interfaces:veth> | ethernet <interfaces:port> | <interfaces:interface>}"
_PROGRAM = ("vem", "vemcmd")
_WORDS = {
    "module": "Modules",
    "vem": "Hosts",
    "<slot>": "Slot of the module",
    "execute": "Run a command on the host",
    "card": "Ask the part of a VIS that holds the module's ports (mode niv)",
    "vemcmd": "The host's program (may be left out)",
    "show": "Show tables of the host",
    "vethernet": "Virtual ports",
    "ethernet": "Uplinks",
    "interface": "Interface by which the frame comes in",
    "trace": "What would become of a frame",
}


async def _execute(_view: View, call: Call, run: Run) -> Report:
    words = list(call.said[4:])  # module vem N execute
    whose = [words.pop(0)] if words[0] == CARD_WORD else []
    return Report(await run(call["slot"], whose + (words[1:] if words[0] in _PROGRAM else words)))


async def _trace(view: View, call: Call, run: Run) -> Report:
    slot, name = _place(view.state, call)
    first = next(at for at, word in enumerate([*call.said, "--"]) if word.startswith("--"))
    words = ["trace", "--in", name, *call.said[first:]]
    return Report(await run(slot, for_holder(view.state, slot, words) if name.startswith("Veth") else words))


def _place(state: State, call: Call) -> tuple[int, str]:
    """The module an interface is on, and its name there."""
    (interface,) = call["interfaces"]
    if isinstance(interface, Ethernet):
        return interface.slot, interface.short
    veth = state.inventory.veths.get(interface.number)
    if veth is None or veth.slot is None:
        raise NotFound(f"interface {interface.full}", "is on no module", "see `show interface virtual`")
    return veth.slot, interface.short


def _options(*options: Option) -> dict[str, str]:
    return {
        word: option.help
        for option in options
        for word in (f"--{option.name}", f"<{option.name}>")
        if word.startswith("--") or option.kind
    }


def _host(command: HostCommand) -> Command:
    words = command.words.split()
    argument = (command.argument,) if command.argument else ()
    helps = {**_WORDS, **_options(*command.required, *command.options, *argument)}
    # The last word says what the command does; of `port vlans` the first is a view of its own.
    helps[words[-1]] = command.help
    return _row(f"module vem <slot:3-66> execute [card] [vem | vemcmd] {command.syntax}", command.help, _execute, helps)


def _row(syntax: str, text: str, ask: Ask, words: dict[str, str]) -> Command:
    return Command(modes=(Mode.EXEC,), syntax=syntax, help=text, ask=ask, words=words)


ROWS: tuple[Command, ...] = (
    *map(_host, COMMANDS),
    _row(
        f"trace interface {_ONE} [{' | '.join(option.syntax for option in TRACE)}]*",
        "Show what the switch would do with a frame, step by step",
        _trace,
        {**_WORDS, **_options(*TRACE)},
    ),
    _row(
        f"show interface {_ONE} drops [last]",
        "Show frames dropped on an interface, by reason, and the last of each",
        drops.show_interface_drops,
        {**_WORDS, "show": "Show the state of the switch", "interface": "Interfaces", "last": "The last frames only"},
    ),
    _row(
        "show ip igmp snooping groups [vlan <vlan:vlan-id>]",
        "Show which guests are members of which multicast groups",
        multicast.show_groups,
        {"show": "Show the state of the switch", "ip": "IPv4 and IPv6", "groups": "Groups and their members"},
    ),
    _row(
        "show drops [last]",
        "Show frames dropped anywhere, by reason, and the last of each",
        drops.show_drops,
        {"last": "The last frames only"},
    ),
)
"""Rows whose handlers wait for modules."""
