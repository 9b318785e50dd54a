"""Configuration text back into a State, through the CLI's own grammar: what loads is what an operator could have typed.

The text replaces the configuration; the inventory (hosts, vEths) is kept.  Objects keep the policy ids they had, so
that loading the same text again changes nothing on any module.
"""

from __future__ import annotations

from dataclasses import replace

from dvswitch.errors import DvsError, InvalidValue
from vsm.cli.command import Call, Edit, Form, Mode, Position
from vsm.cli.grammar import Failure, Match
from vsm.cli.registry import GRAMMAR
from vsm.model.overrides import override
from vsm.model.settings import NOTHING
from vsm.model.state import Config, Inventory, PortProfile, State
from vsm.model.users import ADMIN
from vsm.policy.check import check


def load(text: str, base: State) -> State:
    """``base`` with its configuration replaced by ``text``; InvalidValue naming the line if that can't be done."""
    cleared = replace(base, config=Config(), inventory=_without_own_policies(base.inventory))
    state, position = cleared, Position(Mode.CONFIG)
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith(("!", "version ")):
            continue
        if not line[0].isspace():
            position = Position(Mode.CONFIG)
        try:
            state, position = _apply(state, position, line)
        except DvsError as error:
            raise InvalidValue(f"line {number} ('{line.strip()}')", str(error)) from error
    state = _settle(state, base)
    check(state)
    return state


def _apply(state: State, position: Position, line: str) -> tuple[State, Position]:
    match = GRAMMAR.parse(position.mode, line)
    if isinstance(match, Failure):
        raise InvalidValue("", match.message)
    command = match.command
    if command.edit is None and command.enter is None:
        raise InvalidValue("", "not a configuration command")
    call = Call(position, match.form, match.words, match.args)
    edit = chosen_edit(match)
    state = edit(state, call) if edit else state
    return state, (command.enter(call) if command.enter and match.form is Form.SET else position)


def chosen_edit(match: Match) -> Edit | None:
    """What the command does in the form in which it was given."""
    command = match.command
    by_form = {Form.SET: command.edit, Form.NO: command.undo, Form.DEFAULT: command.reset or command.undo}
    return by_form[match.form]


def _without_own_policies(inventory: Inventory) -> Inventory:
    veths = {number: replace(veth, policy_id=0) for number, veth in inventory.veths.items()}
    return replace(inventory, veths=veths, uplink_policies={})


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
