"""What guards the switch against its guests: security settings, BPDU guard and storm control.

The three security settings may also be said for the whole switch (`security default`); what a port, or else its
profile, says goes first (S-016, S-017).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from dvswitch.errors import InvalidValue, Unavailable
from vsm.cli.command import Call, Command, Mode
from vsm.cli.tables.setting import accept, setting
from vsm.model.settings import NOTHING, Settings
from vsm.model.state import Config, State

MAX_RATE = 100_000_000
"""kbit/s."""
MAX_STORM = 10_000_000
"""Frames a second."""

_SECURITY = (
    ("promiscuous", "promiscuous", "Whether a vNIC may ask to receive the unicast frames of others"),
    ("forged-transmits", "forged_transmits", "Whether a vNIC may send with a source MAC that is not its own"),
    ("mac-changes", "mac_changes", "Whether a guest may change the MAC address of its vNIC"),
)
"""Word, attribute, help."""
_STORM = (
    ("broadcast", "storm_broadcast"),
    ("multicast", "storm_multicast"),
    ("unknown-unicast", "storm_unknown"),
)
PRESETS = {
    "vds": NOTHING,
    "vss": Settings(promiscuous=False, mac_changes=True, forged_transmits=True),
}
"""Of `security preset`: reject everything, as by default; or as standard switches of ESXi 6 do (S-016)."""


def _security(word: str, attribute: str, text: str) -> Command:
    return setting(
        f"security {word} {{accept | reject}}",
        text,
        attribute,
        lambda call, _holds: call.has("accept"),
        lambda said: f"security {word} {accept(getattr(said, attribute))}",
        no=f"security {word} [accept | reject]",
    )


def _switch_wide(word: str, attribute: str, text: str) -> Command:
    def render(config: Config) -> Iterator[str]:
        value = getattr(config.port_defaults, attribute)
        if value is not None:
            yield f"security default {word} {accept(value)}"

    def always(config: Config) -> Iterator[str]:
        yield f"security default {word} {accept(getattr(config.port_defaults, attribute))}"

    def put(state: State, value: bool | None) -> State:
        said = replace(state.config.port_defaults, **{attribute: value})  # type: ignore[arg-type]
        return replace(state, config=replace(state.config, port_defaults=said))

    return Command(
        modes=(Mode.CONFIG,),
        syntax=f"security default {word} {{accept | reject}}",
        help=f"{text}, where no port-profile or interface says otherwise",
        edit=lambda state, call: put(state, call.has("accept")),
        no=f"security default {word} [accept | reject]",
        undo=lambda state, _call: put(state, None),
        render=render,
        always=always,
        words={"default": "For the whole switch"},
    )


def _preset(state: State, call: Call) -> State:
    (name,) = (word for word in call.words if word in PRESETS)
    said = replace(PRESETS[name], mobility_forward=state.config.port_defaults.mobility_forward)
    return replace(state, config=replace(state.config, port_defaults=said))


def _storm(word: str, attribute: str) -> Command:
    def shown(said: Settings) -> str:
        limit = getattr(said, attribute)
        return f"storm-control {word} level {f'pps {limit}' if limit else 'none'}"

    return setting(
        f"storm-control {word} level {{pps <level:1-{MAX_STORM}> | none}}",
        f"How many {word} frames a second the port may send",
        attribute,
        lambda call, _holds: call.get("level", 0),
        shown,
        no=f"storm-control {word} level [pps <level:1-{MAX_STORM}>]",
        words={"none": "As many as it likes", "broadcast": "Frames to everyone", "level": "The limit"},
    )


def _shaping(_state: State, call: Call) -> State:
    """Refused in any case; what can never be right is told first (S-192)."""
    subject, average, peak = call.position.subject, call["average"], call["peak"]
    if peak < average:
        told = f"peak {peak} kbit/s is below average {average} kbit/s"
        raise InvalidValue(f"{subject}: shaping", told, f"peak may be {average}-{MAX_RATE}")
    raise Unavailable(subject, "traffic shaping is not supported yet")


SHAPING = Command(
    modes=(Mode.PROFILE, Mode.INTERFACE),
    syntax=f"shaping {{input | output}} average <average:1-{MAX_RATE}> peak <peak:1-{MAX_RATE}> "
    "burst <burst:1-10000000>",
    help="Traffic shaping: kbit/s on average, at the most, and kbytes at once (not supported yet)",
    edit=_shaping,
    words={
        "shaping": "Rate of the port",
        "input": "What the port sends",
        "output": "What the port receives",
        "average": "Rate that it is held to",
        "peak": "Rate within a burst",
        "burst": "Length of a burst",
        "<average>": "kbit/s",
        "<peak>": "kbit/s, not below the average",
        "<burst>": "kbytes",
    },
)

SECURITY: tuple[Command, ...] = tuple(_security(*row) for row in _SECURITY)
"""Rows of profiles and interfaces."""

SWITCH_WIDE: tuple[Command, ...] = tuple(_switch_wide(*row) for row in _SECURITY)
"""Rows of configuration mode that show in the running configuration."""

PRESET = Command(
    modes=(Mode.CONFIG,),
    syntax="security preset {vds | vss}",
    help="Set promiscuous, mac-changes and forged-transmits of the switch at once",
    edit=_preset,
    words={"vds": "Reject all three", "vss": "Reject promiscuous, accept the others"},
)

OTHERS: tuple[Command, ...] = (
    setting(
        "spanning-tree bpduguard {enable | disable}",
        "Drop the spanning-tree BPDUs that a guest sends",
        "bpdu_guard",
        lambda call, _holds: call.has("enable"),
        lambda said: f"spanning-tree bpduguard {'enable' if said.bpdu_guard else 'disable'}",
        no="spanning-tree bpduguard [enable | disable]",
    ),
    *(_storm(*row) for row in _STORM),
)
"""Rows of profiles and interfaces, behind those of MAC learning."""
