"""Asking modules for what only they know, all at once; one that is silent does not cost the answers of others."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from dvswitch.errors import DvsError
from vsm.cli.command import Run, View
from vsm.model.cards import CARD_WORD, niv_slots

_PATIENCE = 5.0
"""Seconds to wait for modules."""


def connected(view: View) -> list[int]:
    """Slots of the modules that can be asked."""
    found = ((slot, view.runtime.module(slot)) for slot in sorted(view.state.inventory.modules))
    return [slot for slot, status in found if status is not None and status.connected]


def questions(view: View, words: Sequence[str]) -> list[tuple[int, list[str]]]:
    """A command for everybody that can be asked: modules, and cards that hold their ports."""
    slots, state = connected(view), view.state
    cards = [(slot, view.runtime.card(slot)) for slot in sorted(niv_slots(state))]
    held = [slot for slot, card in cards if card is not None and card.connected]
    asked = [(slot, list(words)) for slot in slots] + [(slot, [CARD_WORD, *words]) for slot in held]
    return sorted(asked, key=lambda question: question[0])


async def answers(questions: Iterable[tuple[int, Sequence[str]]], run: Run, what: str) -> list[tuple[int, str]]:
    """(slot, output) for each (slot, command); instead of an output a line in brackets that says why ``what`` is not
    known."""
    asked = list(questions)
    told = await asyncio.gather(*(_answer(slot, words, run, what) for slot, words in asked))
    return [(slot, answer) for (slot, _), answer in zip(asked, told, strict=True)]


async def _answer(slot: int, words: Sequence[str], run: Run, what: str) -> str:
    try:
        async with asyncio.timeout(_PATIENCE):
            return await run(slot, words)
    except TimeoutError:
        return f"(module {slot} did not answer within {_PATIENCE:g} seconds: its {what} are not known)\n"
    except DvsError as problem:
        return f"({what} are not known: {problem})\n"
