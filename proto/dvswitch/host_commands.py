"""The commands that a host answers about its switch: one list for `vem` on the host, `module vem N execute` on the
supervisor, their help, and docs/vem.md.

What they do is in vem/agent/console.py.  A syntax is that of the supervisor's command table (vsm/cli/syntax.py).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Option:
    """One `--name VALUE`."""

    name: str
    kind: str
    """Type of the value, as the command table names it: a range ("1-4096"), ifname, mac, point, direction, hex,
    number, seconds; "" = it has none."""
    help: str
    repeats: bool = False

    @property
    def syntax(self) -> str:
        """In the command table."""
        return f"--{self.name} <{self.name}:{self.kind}>" if self.kind else f"--{self.name}"


@dataclass(frozen=True, slots=True)
class HostCommand:
    """One command: its words, and what may stand behind them."""

    words: str
    help: str
    options: tuple[Option, ...] = ()
    argument: Option | None = None
    """A value without a name, which may be left out."""
    required: tuple[Option, ...] = ()

    @property
    def syntax(self) -> str:
        """In the command table."""
        parts = [self.words, *(option.syntax for option in self.required)]
        if self.argument:
            parts.append(f"[<{self.argument.name}:{self.argument.kind}>]")
        if self.options:
            parts.append(f"[{' | '.join(option.syntax for option in self.options)}]*")
        return " ".join(parts)


VIEWS: dict[str, str] = {
    "bd": "Bridge domains: the ports of each vlan, and who takes floods",
    "card": "This host: identity, supervisor, engine, settings of the switch",
    "counters": "Frames and bytes of each port",
    "drops": "Frames dropped, by port and reason, with the last one's header",
    "groups": "Multicast groups and their members",
    "lacp": "Uplinks in a LAG: how far each is, and who the partner is",
    "macs": "MAC table: static and learned addresses",
    "mobility": "Moves whose frames are passed on between hosts",
    "niv": "Mode niv: ways to the VIS, and the VIF of each port",
    "pinning": "Which uplink each port uses, and where it belongs",
    "port": "Switch ports: state, pinned uplink, vlans, frames",
    "port vlans": "Mode and vlans of each port, configured and carried",
    "teams": "Uplinks in use by the ports of each profile",
    "uplinks": "Uplinks: adapter, profile, link, whether teams may use them",
}
"""What `show` shows."""
ALIASES: dict[str, str] = {"l2": "macs", "pc": "teams", "stats": "counters"}
"""Other words for views, as network engineers know them."""

POINTS = ("VnicTx", "UplinkRcv", "PortInput", "EtherswitchDispatch", "PortOutput", "VnicRx", "UplinkSnd", "Drop")
"""Where on its way a frame can be seen, in that order (S-245b)."""

CAPTURE = (
    Option("count", "1-100000", "End after so many frames"),
    Option("dir", "direction", "Of a port without a point: from it (in, 0) or to it (out, 1) [in]"),
    Option("mac", "mac", "Source or destination"),
    Option("point", "point", "A point of the way; may be repeated", repeats=True),
    Option("port", "ifname", "Seen at this port: as it enters, if no point is given"),
    Option("protocol", "0-255", "IP protocol"),
    Option("seconds", "seconds", "End after so long"),
    Option("snaplen", "1-1600", "Bytes of each frame"),
    Option("type", "number", "Ethertype"),
    Option("uplink", "ifname", "Seen at this uplink, or came by it"),
    Option("vlan", "0-4095", "Vlan that it belongs to"),
)
TRACE = (
    Option("dst", "mac", "Destination MAC [broadcast]"),
    Option("frame", "hex", "The whole frame, in hexadecimal"),
    Option("size", "18-65535", "Bytes of the frame [60]"),
    Option("src", "mac", "Source MAC [the port's own]"),
    Option("type", "number", "Ethertype [0x0800]"),
    Option("vlan", "0-4095", "With a tag of this vlan"),
)
IN = Option("in", "ifname", "Port by which the frame comes in")
LAST = Option("last", "", "The last frames only, without counts")
PORT = Option("port", "ifname", "Port, as Veth3 or Eth3/1")

COMMANDS: tuple[HostCommand, ...] = (
    *(HostCommand(f"show {name}", text) for name, text in VIEWS.items()),
    *(HostCommand(f"show {alias}", f"{VIEWS[name].split(':')[0]} (show {name})") for alias, name in ALIASES.items()),
    HostCommand("capture", "Show frames at points of their way", CAPTURE),
    HostCommand("trace", "What the switch would do with a frame, step by step", TRACE, required=(IN,)),
    HostCommand("drops", "Frames dropped, by reason, with the last one's header", (LAST,), argument=PORT),
)
"""All of them."""


def view_of(words: list[str]) -> str:
    """The view that words behind `show` name, in full or cut down to what is unique ("mac"); "" if there is none."""
    name = " ".join(words).lower()
    if name in (*VIEWS, *ALIASES):
        return ALIASES.get(name, name)
    begun = [known for known in (*VIEWS, *ALIASES) if name and known.startswith(name)]
    return ALIASES.get(begun[0], begun[0]) if len(begun) == 1 else ""
