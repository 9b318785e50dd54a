"""`mobility forward`: whether frames that still come to a moving vEth's old host are passed on to the new one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from dvswitch.mobility import DEFAULT_SECONDS, SECONDS_RANGE
from vsm.cli.command import Call, Command, Mode
from vsm.cli.tables.setting import setting
from vsm.model.settings import Settings
from vsm.model.state import Config, State

_SYNTAX = "mobility forward [<seconds:{}-{}> | none]".format(*SECONDS_RANGE)
_HELP = "Pass on what the network brings to a vEth's old host while it moves"
_WORDS = {
    "mobility": "Moves of virtual machines between hosts",
    "forward": "Pass on what comes to the old host",
    "none": "Don't",
    "<seconds>": f"For so long after the pause; {DEFAULT_SECONDS} unless said",
}


def _value(call: Call) -> int:
    return 0 if call.has("none") else call.get("seconds", DEFAULT_SECONDS)


def _shown(seconds: int | None) -> str:
    return f"mobility forward {seconds}" if seconds else "mobility forward none"


def _put(state: State, value: int | None) -> State:
    said = replace(state.config.port_defaults, mobility_forward=value)
    return replace(state, config=replace(state.config, port_defaults=said))


def _render(config: Config) -> Iterator[str]:
    if config.port_defaults.mobility_forward is not None:
        yield _shown(config.port_defaults.mobility_forward)


def _always(config: Config) -> Iterator[str]:
    yield _shown(config.port_defaults.mobility_forward)


def _line(said: Settings) -> str:
    return _shown(said.mobility_forward)


SETTING: Command = setting(
    _SYNTAX, _HELP, "mobility_forward", lambda call, _holds: _value(call), _line, no=_SYNTAX, words=_WORDS
)
"""Row of profiles and interfaces."""

SWITCH_WIDE: Command = Command(
    modes=(Mode.CONFIG,),
    syntax=_SYNTAX,
    help=f"{_HELP}, where no port-profile or interface says otherwise",
    edit=lambda state, call: _put(state, _value(call)),
    no=_SYNTAX,
    undo=lambda state, _call: _put(state, None),
    render=_render,
    always=_always,
    words=_WORDS,
)
"""Row of configuration mode."""

__all__ = ["SETTING", "SWITCH_WIDE"]
