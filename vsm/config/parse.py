"""Configuration text back into a State, through the CLI's own grammar: what loads is what an operator could have typed.

Three ways: replace_with() puts the text in the place of the configuration, as rollback, `configure replace` and reload
do; merge() adds its lines to the configuration, as `copy FILE running-config` does; load() is replace_with() for text
that must fit exactly.  All give a whole new State or raise; the inventory (hosts, vEths) stays what it is.  Objects
keep the policy ids they had, so that loading the same text again changes nothing on any module.

What a text says about things that are not the operator's to say (which profile and MAC address a vNIC has, which slot a
known host has) is not enforced when it replaces the configuration: vsm/config/fit.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

from dvswitch.errors import DvsError, InvalidValue
from vsm.cli.command import Call, Edit, Form, Mode, Position
from vsm.cli.grammar import Failure, Match
from vsm.config import fit
from vsm.model import banner
from vsm.model.overrides import override
from vsm.model.settings import NOTHING
from vsm.model.state import Config, PortProfile, State
from vsm.model.users import ADMIN
from vsm.policy.check import check
from vsm.runtime import Runtime

_MOVES = {"exit", "end", "configure terminal", "conf t"}
"""Lines of pasted text that only change the mode: the indentation and the words say that already."""
_COMMENTS = ("!", "version ", "#")


Permit = Callable[[Match | Failure], None]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A State made from text."""

    state: State
    remarks: tuple[str, ...] = ()
    """What of the text was not taken, and why."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a configuration text."""

    number: int
    """From 1."""
    text: str

    @property
    def indented(self) -> bool:
        """Whether it belongs to the line above it that is not."""
        return self.text[0].isspace()

    def blame(self, problem: object) -> InvalidValue:
        """The error that points at this line."""
        return InvalidValue(f"line {self.number} ('{self.text.strip()}')", str(problem))


def load(text: str, base: State) -> State:
    """``base`` with its configuration replaced by ``text``; InvalidValue naming the line if that can't be done."""
    return _finish(_run(config_lines(text), _cleared(base), None), base)


def replace_with(text: str, base: State, *, best_effort: bool = False, unchecked: bool = False) -> Loaded:
    """``base`` with its configuration replaced by ``text`` as far as hosts and NICs have not changed since.

    DvsError names what can't be: a line that is not understood, a profile in use that the text does not have.  With
    ``best_effort`` such lines are left out and such profiles kept, with a remark each.  ``unchecked``: it need not be
    sound as a whole.
    """
    remarks: list[str] = []
    lines = list(fit.without_strangers(config_lines(text), base, remarks))
    state = _run(lines, _cleared(base), remarks if best_effort else None)
    state = fit.keep_slots(state, base, remarks)
    state = fit.keep_profiles(state, base, remarks if best_effort else None)
    return Loaded(_settle(state, base) if unchecked else _finish(state, base), tuple(remarks))


def merge(text: str, base: State, runtime: Runtime | None = None, permit: Permit | None = None) -> State:
    """``base`` with all lines of ``text`` applied to it; InvalidValue naming the first that can't be.

    ``permit`` raises for lines that may not be given.
    """
    state = _run(config_lines(text), base, None, runtime, permit)
    check(state)
    return state


def config_lines(text: str) -> list[Line]:
    """The lines that say something."""
    found: list[Line] = []
    banners: list[Line] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if banners:
            line, number = f"{banners[0].text}\n{line}", banners.pop().number
        elif not line.strip() or line.lstrip().startswith(_COMMENTS):
            continue
        # Lines of a banner are not looked at, whatever they begin with.
        (banners if banner.unfinished(line) else found).append(Line(number, line))
    return [*found, *banners]


def apply_line(state: State, position: Position, line: str, runtime: Runtime | None = None) -> tuple[State, Position]:
    """The state after a configuration line given at ``position``, unchecked, and where it leads; DvsError."""
    match = parsed(position.mode, line)
    if isinstance(match, Failure):
        raise InvalidValue("", match.message)
    command = match.command
    if command.edit is None and command.enter is None:
        raise InvalidValue("", "not a configuration command")
    call = Call(position, match.form, match.words, match.args, runtime)
    edit = chosen_edit(match)
    state = edit(state, call) if edit else state
    return state, (command.enter(call) if command.enter and match.form is Form.SET else position)


def chosen_edit(match: Match) -> Edit | None:
    """What the command does in the form in which it was given."""
    command = match.command
    by_form = {Form.SET: command.edit, Form.NO: command.undo, Form.DEFAULT: command.reset or command.undo}
    return by_form[match.form]


@lru_cache(maxsize=8192)
def parsed(mode: Mode, line: str) -> Match | Failure:
    """A line as the command table has it.  The same few lines make most of a long text."""
    # The table has rows whose handlers load configurations: it can't be imported before this module.
    from vsm.cli.registry import GRAMMAR

    return GRAMMAR.parse(mode, line)


def _run(
    lines: list[Line],
    state: State,
    skipped: list[str] | None,
    runtime: Runtime | None = None,
    permit: Permit | None = None,
) -> State:
    """Apply the lines; one that fails raises, or is noted in ``skipped``."""
    position = Position(Mode.CONFIG)
    for line in lines:
        try:
            if (place := _place(line, position)) is not None:
                if permit:
                    permit(parsed(place.mode, line.text))
                state, position = apply_line(state, place, line.text, runtime)
        except DvsError as error:
            if skipped is None:
                raise line.blame(error) from error
            skipped.append(str(line.blame(error)))
    return state


def _place(line: Line, position: Position) -> Position | None:
    """Where to apply a line; None if it only changes the mode."""
    if " ".join(line.text.split()) in _MOVES:
        return None
    # Text that was typed may be without indentation: what configuration mode does not know belongs to the object above.
    if line.indented or isinstance(parsed(Mode.CONFIG, line.text), Failure):
        return position
    return Position(Mode.CONFIG)


def _cleared(base: State) -> State:
    veths = {number: replace(veth, policy_id=0) for number, veth in base.inventory.veths.items()}
    return replace(base, config=Config(), inventory=replace(base.inventory, veths=veths, uplink_policies={}))


def _finish(state: State, base: State) -> State:
    state = _settle(state, base)
    check(state)
    return state


def _keep_admin(state: State, base: State) -> State:
    """A text that does not name the first user, as one from another switch, must not lock everybody out."""
    admin = base.config.users.get(ADMIN)
    if admin is None or ADMIN in state.config.users:
        return state
    return replace(state, config=replace(state.config, users={**state.config.users, ADMIN: admin}))


def _settle(state: State, base: State) -> State:
    """Give profiles and interfaces the policy ids they had in ``base``, and new ids to those that are new."""
    state = _keep_admin(state, base)
    next_id = base.inventory.next_policy_id
    profiles: dict[str, PortProfile] = {}
    for name, profile in state.config.profiles.items():
        known = base.config.profiles.get(name)
        profiles[name] = replace(profile, policy_id=known.policy_id if known else next_id)
        next_id += known is None
    state = replace(state, config=replace(state.config, profiles=profiles))
    kept = base.inventory
    inventory = replace(state.inventory, veths=kept.veths, uplink_policies=kept.uplink_policies, next_policy_id=next_id)
    state = replace(state, inventory=inventory)
    for name in {**base.config.overrides, **state.config.overrides}:
        state = override(state, name, state.config.overrides.get(name, NOTHING))
    return state
