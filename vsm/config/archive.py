"""What happens to the configurations that are kept (vsm/model/archive.py): pure functions State -> State.

Timed edits: begin() notes what to return to and until when, confirm() makes the edit stay, revert() takes it back.  The
note is part of the State, so it is stored with the edit itself and the deadline outlives the supervisor's process.
"""

from __future__ import annotations

from dataclasses import replace

from dvswitch.errors import Conflict, DvsError, InvalidValue, NotFound
from vsm.config.parse import Loaded, replace_with
from vsm.config.render import config_text
from vsm.model.archive import MAX_CHECKPOINTS, Archive, Pending, Saved
from vsm.model.state import Config, State

_AUTOMATIC = "user-checkpoint-"


def save_startup(state: State, text: str, now: float, user: str) -> State:
    """Keep ``text`` as the startup-config."""
    return _with(state, replace(state.archive, startup=Saved(text, now, user)))


def erase_startup(state: State, now: float, user: str) -> State:
    """From now on the startup-config is that of a new switch."""
    return save_startup(state, "", now, user)


def add_checkpoint(state: State, name: str, now: float, user: str, description: str) -> State:
    """Keep the running configuration as checkpoint ``name``; Conflict when there is one, or too many."""
    known = state.archive.checkpoints
    if name in known:
        raise Conflict(f"checkpoint {name}", "exists already", f"remove it with 'no checkpoint {name}'")
    if len(known) >= MAX_CHECKPOINTS:
        raise Conflict(f"checkpoint {name}", f"there are {MAX_CHECKPOINTS} already", "remove one with 'no checkpoint'")
    saved = Saved(config_text(state), now, user, description)
    return _with(state, replace(state.archive, checkpoints={**known, name: saved}))


def automatic_name(state: State) -> str:
    """The name of a checkpoint that was given none."""
    numbers = range(1, MAX_CHECKPOINTS + 2)
    return next(name for name in (f"{_AUTOMATIC}{n}" for n in numbers) if name not in state.archive.checkpoints)


def remove_checkpoint(state: State, name: str) -> State:
    """Forget one; NotFound."""
    the_checkpoint(state, name)
    left = {other: saved for other, saved in state.archive.checkpoints.items() if other != name}
    return _with(state, replace(state.archive, checkpoints=left))


def clear_checkpoints(state: State) -> State:
    """Forget them all."""
    return _with(state, replace(state.archive, checkpoints={}))


def the_checkpoint(state: State, name: str) -> Saved:
    """The checkpoint ``name``; NotFound."""
    found = state.archive.checkpoints.get(name)
    if found is None:
        raise NotFound(f"checkpoint {name}", "does not exist")
    return found


def reloaded(state: State, factory: Config) -> Loaded:
    """The state after a reload: the startup-config in force; ``factory`` where it was erased.

    Where nothing was ever saved the running configuration stays: nobody has been told that it would go.
    """
    startup = state.archive.startup
    if startup is None:
        return Loaded(state)
    text = startup.text or config_text(State(config=factory))
    loaded = replace_with(text, state)
    return Loaded(_with(loaded.state, replace(state.archive, pending=None)), loaded.remarks)


# ---- timed edits


def begin(state: State, base: State, seconds: int, now: float, user: str) -> State:
    """``state`` becomes an edit of ``base`` that is taken back in ``seconds``; Conflict while another one waits."""
    if base.archive.pending is not None:
        raise Conflict("configuration", "another timed edit is waiting", "confirm it first: 'configure replace commit'")
    return _with(state, replace(state.archive, pending=Pending(config_text(base), now + seconds, user)))


def confirm(state: State) -> State:
    """The timed edit stays; InvalidValue if there is none."""
    if state.archive.pending is None:
        raise InvalidValue("configuration", "no timed edit is waiting to be confirmed")
    return _with(state, replace(state.archive, pending=None))


def due(state: State, now: float) -> bool:
    """Whether the time to confirm is over."""
    return state.archive.pending is not None and state.archive.pending.deadline <= now


def revert(state: State) -> Loaded:
    """The timed edit taken back; what can't be any more (a profile in use by now) is kept, with a remark."""
    pending = state.archive.pending
    if pending is None:
        return Loaded(state)
    done = _with(state, replace(state.archive, pending=None))
    try:
        return replace_with(pending.text, done, best_effort=True)
    except DvsError as error:
        return Loaded(done, (f"the edit could not be taken back: {error}",))


def _with(state: State, archive: Archive) -> State:
    return replace(state, archive=archive)
