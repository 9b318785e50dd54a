"""Who checks passwords: aaa authentication, radius-server.  What is done with it: vsm/ssh/radius.py.

TACACS+ is refused: there is no maintained library for it.  The seam for one is vsm/ssh/accounts.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from dvswitch.errors import Conflict
from vsm.cli.command import Call, Command, Mode, unsupported
from vsm.model.radius import MAX_SERVERS, PORT, RETRANSMIT, TIMEOUT, LoginBy, RadiusServer
from vsm.model.state import Config, State

_CONFIG = (Mode.CONFIG,)
_HOST = "radius-server host <host:server>"
_SECONDS, _TIMES = "timeout <seconds:1-60>", "retransmit <times:0-5>"
_LOGIN = "aaa authentication login default"
_HELP = {
    "0": "The key follows as it is",
    "7": "A key that another switch has hidden follows",
    "host": "One server",
    "key": "Secret shared with the server",
    "timeout": "Seconds to wait for an answer",
    "retransmit": "How often a question is repeated",
    "auth-port": "UDP port",
    "deadtime": "How long a silent server is not asked",
    "directed-request": "Let users choose the server",
    "test": "Ask from time to time",
}


def _config(state: State, **values: Any) -> State:
    return replace(state, config=replace(state.config, **values))


def _put_server(state: State, call: Call) -> State:
    """A server that is known keeps its place in the order."""
    server = RadiusServer(call["host"], call["secret"], call.get("port", PORT), call.get("seconds"), call.get("times"))
    known = state.config.radius
    if all(other.host != server.host for other in known):
        if len(known) >= MAX_SERVERS:
            raise Conflict("radius-server", f"there are {MAX_SERVERS} already", "remove one first")
        known = (*known, server)
    return _config(state, radius=tuple(server if other.host == server.host else other for other in known))


def _remove_server(state: State, call: Call) -> State:
    return _config(state, radius=tuple(server for server in state.config.radius if server.host != call["host"]))


def _servers(config: Config) -> Iterator[str]:
    for server in config.radius:
        line = f"radius-server host {server.host} key 0 {server.key}"
        line += f" auth-port {server.port}" if server.port != PORT else ""
        line += f" timeout {server.timeout}" if server.timeout is not None else ""
        line += f" retransmit {server.retransmit}" if server.retransmit is not None else ""
        yield line


def _set_login(state: State, call: Call) -> State:
    if not call.has("radius"):
        return _config(state, login_by=LoginBy.LOCAL)
    return _config(state, login_by=LoginBy.RADIUS_LOCAL if call.has("local") else LoginBy.RADIUS)


SERVERS: tuple[Command, ...] = (
    Command(
        modes=_CONFIG,
        syntax=f"radius-server {_SECONDS}",
        help="Set the seconds to wait for the answer of a RADIUS server",
        edit=lambda state, call: _config(state, radius_timeout=call["seconds"]),
        no="radius-server timeout [<seconds:1-60>]",
        undo=lambda state, _call: _config(state, radius_timeout=TIMEOUT),
        render=lambda config: (
            [f"radius-server timeout {config.radius_timeout}"] if config.radius_timeout != TIMEOUT else []
        ),
        words=_HELP,
    ),
    Command(
        modes=_CONFIG,
        syntax=f"radius-server {_TIMES}",
        help="Set how often a question to a RADIUS server is repeated",
        edit=lambda state, call: _config(state, radius_retransmit=call["times"]),
        no="radius-server retransmit [<times:0-5>]",
        undo=lambda state, _call: _config(state, radius_retransmit=RETRANSMIT),
        render=lambda config: (
            [f"radius-server retransmit {config.radius_retransmit}"] if config.radius_retransmit != RETRANSMIT else []
        ),
        words=_HELP,
    ),
    Command(
        modes=_CONFIG,
        syntax=f"{_HOST} key {{0 <secret:secret> | <secret:secret>}} "
        f"[auth-port <port:1-65535>] [{_SECONDS}] [{_TIMES}]",
        help="Add a RADIUS server; they are asked in the order in which they were added",
        edit=_put_server,
        no=f"{_HOST} [<rest:text>]",
        undo=_remove_server,
        render=_servers,
        several=True,
        words=_HELP,
    ),
    Command(
        modes=_CONFIG,
        syntax=f"{_HOST} key 7 <rest:text>",
        help="Add a RADIUS server by a key that another switch has hidden",
        edit=unsupported("a key in hidden form (7)"),
        words=_HELP,
    ),
)

LOGIN: tuple[Command, ...] = (
    Command(
        modes=_CONFIG,
        syntax=f"{_LOGIN} {{local | group radius [local]}}",
        help="Check passwords of users configured here, or ask RADIUS servers; local = if no server answers",
        edit=_set_login,
        no=f"{_LOGIN} [local | group radius [local]]",
        undo=lambda state, _call: _config(state, login_by=LoginBy.LOCAL),
        render=lambda config: [f"{_LOGIN} {config.login_by.value}"] if config.login_by is not LoginBy.LOCAL else [],
        words={"default": "Of all terminals", "group": "Group of servers"},
    ),
)

_BY_SERVERS = unsupported("AAA by servers other than RADIUS (TACACS+, LDAP)")

REFUSED: tuple[Command, ...] = (
    Command(
        modes=_CONFIG,
        syntax=f"{_LOGIN} group {{tacacs+ | ldap}} [<rest:text>]",
        help="Check users against other servers",
        edit=_BY_SERVERS,
        words={"default": "Of all terminals", "group": "Group of servers"},
    ),
    Command(
        modes=_CONFIG,
        syntax="aaa authentication login console group <rest:text>",
        help="Check users on the supervisor's own socket",
        edit=unsupported("AAA of the local socket"),
        words={"group": "Group of servers"},
    ),
    Command(
        modes=_CONFIG,
        syntax="aaa group server {radius | tacacs+ | ldap} <rest:text>",
        help="Put servers together under a name",
        edit=unsupported("a group of AAA servers with a name"),
        words={"group": "Group of servers", "server": "Of one kind"},
    ),
    Command(
        modes=_CONFIG,
        syntax="aaa {authorization | accounting} <rest:text>",
        help="Ask servers what is permitted, or tell them what was done",
        edit=unsupported("AAA beyond authentication"),
    ),
    Command(
        modes=_CONFIG,
        syntax="radius-server {key | deadtime | directed-request | test} <rest:text>",
        help="What else there is to say of RADIUS servers",
        edit=unsupported("this setting of RADIUS servers"),
        words=_HELP,
    ),
    Command(
        modes=_CONFIG,
        syntax="tacacs-server <rest:text>",
        help="Describe a TACACS+ server",
        edit=_BY_SERVERS,
    ),
)
