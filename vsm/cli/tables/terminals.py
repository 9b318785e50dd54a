"""Terminals of the supervisor: the banner before a login, how long local sessions may be idle, ending sessions of
others, and the SSH server's key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from dvswitch.errors import Conflict, NotFound, Unavailable
from vsm.cli.command import Call, Command, Mode, Position, Run, View, unsupported
from vsm.cli.desk import Desk
from vsm.cli.report import Report, lines
from vsm.cli.session import Session
from vsm.model import banner
from vsm.model.state import Config, State

CONFIG = (Mode.CONFIG,)
_KINDS = {"rsa": 2048, "ecdsa": 256, "ed25519": 256}
"""Kinds of keys, and how many bits they have unless something else is said."""


def _with(state: State, **values: object) -> State:
    return replace(state, config=replace(state.config, **values))  # type: ignore[arg-type]


def _clear_line(desk: Desk, call: Call) -> str:
    name = call["line"]
    return _end(desk, lambda session: session.line == name, f"line {name}")


def _clear_user(desk: Desk, call: Call) -> str:
    name = call["user"]
    return _end(desk, lambda session: session.user == name, f"user {name}")


def _end(desk: Desk, chosen: Callable[[Session], bool], subject: str) -> str:
    """End sessions over SSH; one's own goes last, with the answer."""
    found = [session for session in desk.switch.logins.sessions if chosen(session)]
    if not found:
        raise NotFound(subject, "is not logged in", "see 'show users'")
    for session in found:
        session.closed = True
        if session.hang_up and session is not desk.session:
            session.hang_up()
    return ""


async def _new_key(view: View, call: Call, _run: Run) -> Report:
    if view.session.position.candidate:
        raise Conflict("ssh key", "takes effect at once and can't wait for a commit", "leave the session first")
    make = view.logins.make_key
    if make is None:
        raise Unavailable("ssh key", "the ssh server does not run here")
    if not call.has("force"):
        raise Conflict("ssh key", "is there already", "say 'force' to have another one made; clients will ask about it")
    kind = next(kind for kind in _KINDS if call.has(kind))
    curve = next((word for word in ("256", "384", "521") if call.has(word)), _KINDS[kind])
    key = await make(kind, int(call.get("bits", curve)))
    return Report(lines(f"ssh key made: {key.split()[0]}", "Clients that know the old one will refuse to connect."))


SYSTEM: tuple[Command, ...] = (
    Command(
        modes=CONFIG,
        syntax="banner motd <banner:banner>",
        help="Set the text that is shown before a login; it may go on over several lines",
        edit=lambda state, call: _with(state, banner=call["banner"]),
        no="banner motd",
        undo=lambda state, _call: _with(state, banner=""),
        render=lambda config: [f"banner motd {banner.written(config.banner)}"] if config.banner else [],
    ),
)
"""Rows that show among those of the switch."""

CONSOLE_HEADER = Command(
    modes=CONFIG,
    syntax="line console",
    help="Configure local sessions (vsm cli)",
    enter=lambda _call: Position(Mode.CONSOLE),
    render=lambda _config: ["line console"],
    words={"console": "Local sessions"},
)


def exec_timeout(mode: Mode, name: str, session: str) -> Command:
    """`exec-timeout` of a kind of session; ``name`` is the field of Config that holds its minutes."""
    default = getattr(Config(), name)

    def said(config: Config) -> list[str]:
        return [f"exec-timeout {getattr(config, name)}"]

    return Command(
        modes=(mode,),
        syntax="exec-timeout <minutes:0-525600>",
        help=f"Set the minutes after which {session} ends; 0 = never",
        edit=lambda state, call: _with(state, **{name: call["minutes"]}),
        no="exec-timeout [<minutes:0-525600>]",
        undo=lambda state, _call: _with(state, **{name: default}),
        render=lambda config: said(config) if getattr(config, name) != default else [],
        always=said,
    )


CONSOLE: tuple[Command, ...] = (
    exec_timeout(Mode.CONSOLE, "console_timeout", "an unused local session"),
    *(
        Command(
            modes=(Mode.CONSOLE,),
            syntax=f"{word} <rest:text>",
            help="Setting of a serial line: there is none",
            edit=unsupported(f"{word} of a serial line"),
            no=f"{word} [<rest:text>]",
            undo=lambda state, _call: state,
            words={word: text},
        )
        for word, text in (
            ("speed", "Bits a second"),
            ("databits", "Bits of a character"),
            ("stopbits", "Bits after a character"),
            ("parity", "Check bit"),
        )
    ),
    Command(
        modes=(Mode.LINE,),
        syntax="access-class <name:word> {in | out}",
        help="Let in only who an access list permits",
        edit=unsupported("access-class"),
        no="access-class [<name:word>] [in | out]",
        undo=lambda state, _call: state,
        words={"access-class": "Access list of sessions", "in": "Who comes", "out": "Where they go"},
    ),
)

ROWS: tuple[Command, ...] = (
    Command(
        modes=(Mode.EXEC,),
        syntax="clear line <line:login-line>",
        help="End a session over SSH by its terminal, as 'show users' has it",
        do=_clear_line,
        words={"line": "A terminal"},
    ),
    Command(
        modes=(Mode.EXEC,),
        syntax="clear user <user:user-name>",
        help="End all sessions of a user over SSH",
        do=_clear_user,
        words={"user": "A user"},
    ),
    Command(
        modes=CONFIG,
        syntax="ssh key {rsa [<bits:2048-4096>] | ecdsa [256 | 384 | 521] | ed25519} [force]",
        help="Make another host key of the SSH server; sessions stay",
        ask=_new_key,
        words={
            "ssh": "SSH server",
            "key": "Key by which clients know the switch",
            "rsa": "RSA",
            "ecdsa": "On a NIST curve",
            "ed25519": "On Curve25519",
            "256": "Bits",
            "384": "Bits",
            "521": "Bits",
            "<bits>": "Bits of the key",
            "force": "In the place of the one there is",
        },
    ),
)
