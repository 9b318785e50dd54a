"""Placeholder until the next commit fills it."""

from vsm.model.state import State


def guard(before: State, after: State) -> None:
    return
