"""What operators say about migrations, as words; the CLI asks (vsm/cli/tables/migration.py)."""

from __future__ import annotations

from collections.abc import Sequence

from dvswitch.errors import InvalidValue
from vsm.mobility.driver import Mobility, Outcome

_SECONDS = 10.0
"""Until a step that takes longer is answered with how far it is."""
_BY = "operator"


async def run(mobility: Mobility, words: Sequence[str]) -> str:
    """Run ("migration", step, vEth number, ...); one line that says how the vEth stands.  DvsError: why not."""
    match words:
        case ["migration", "check", number, slot]:
            outcome = mobility.check(int(number), int(slot))
            return f"Module {slot} can take Vethernet{number}, which is on module {outcome.slot}.\n"
        case ["migration", "begin", number, slot]:
            return _told(await mobility.begin(int(number), int(slot), _SECONDS, _BY))
        case ["migration", "commit", number]:
            return _told(await mobility.commit(int(number), _SECONDS))
        case ["migration", "cancel", number]:
            return _told(await mobility.cancel(int(number), _SECONDS, _BY))
    raise InvalidValue(" ".join(words), "is no command about migrations")


def _told(outcome: Outcome) -> str:
    place = f"on module {outcome.slot}" if outcome.slot else "plugged in nowhere"
    return f"Vethernet{outcome.veth}: {outcome.state.value}, {place}, generation {outcome.generation}.\n"
