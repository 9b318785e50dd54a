"""Configuration sessions: collect lines, see what they would do, commit them together or not at all."""

from __future__ import annotations

from vsm.cli.command import Call, Command, Mode, Position, View
from vsm.cli.desk import Desk
from vsm.cli.report import Report, lines
from vsm.config import archive
from vsm.model.interfaces import Vethernet, parse_interface
from vsm.model.state import State
from vsm.policy.check import check
from vsm.policy.guard import cuts
from vsm.policy.impact import Impact, Loss, impact

SESSION = (Mode.SESSION,)
_SHOWN = 100
"""Interfaces that are listed by name."""


def _configure_session(desk: Desk, call: Call) -> str:
    candidate = desk.switch.candidates.open(call["name"], desk.session.who)
    desk.session.position = Position(Mode.CONFIG, candidate=candidate.name)
    return f"Config Session started, Session ID is {candidate.name}\n"


def _verify(desk: Desk, call: Call) -> str:
    candidate = desk.switch.candidates.get(call.position.candidate)
    after = candidate.state(desk.state, desk.switch.runtime)
    check(after)
    text = impact_text(desk.state, impact(desk.state, after))
    trouble = [f"WARNING: {subject} {problem}\n" for subject, problem in cuts(desk.state, after)]
    if trouble:
        return text + "".join(trouble) + "Verification failed: 'commit force' is needed\n"
    return text + "Verification Successful\n"


def _commit(desk: Desk, call: Call) -> str:
    candidate = desk.switch.candidates.get(call.position.candidate)
    seconds, now, user = call.get("seconds", 0), desk.now, desk.session.who

    def edit(state: State) -> State:
        after = candidate.state(state, desk.switch.runtime)
        return archive.begin(after, state, seconds, now, user) if seconds else after

    desk.change(edit, force=call.has("force"))
    desk.switch.candidates.close(candidate.name)
    desk.session.position = Position()
    timed = f"It is taken back in {seconds} seconds unless 'configure confirm' confirms it.\n" if seconds else ""
    return f"Commit Successful\n{timed}"


def _abort(desk: Desk, call: Call) -> str:
    desk.switch.candidates.close(call.position.candidate)
    desk.session.position = Position()
    return ""


def show_sessions(view: View, call: Call) -> Report:
    """The lines of configuration sessions, or of one."""
    known = view.candidates.all()
    chosen = [view.candidates.get(call["name"])] if call.get("name") else known
    text = ""
    for candidate in chosen:
        text += lines(f"config session named {candidate.name}")
        if not call.has("summary"):
            text += lines(*(f"{number:04}  {line}" for number, line in enumerate(candidate.lines(), start=1)))
    return Report(text + lines(f"Number of active configuration sessions = {len(known)}"))


def impact_text(before: State, found: Impact) -> str:
    """What would be touched and lost."""
    modules = ", ".join(map(str, found.modules)) or "none"
    text = lines(f"Modules affected: {modules}", f"Interfaces affected: {len(found.ports)}")
    text += _listed([f"{name}{_owner(before, name)}" for name in found.ports])
    text += lines(f"Interfaces that lose traffic: {len(found.losses)}")
    return text + _listed([_loss(before, loss) for loss in found.losses])


def _listed(rows: list[str]) -> str:
    more = [f"  and {len(rows) - _SHOWN} more"] if len(rows) > _SHOWN else []
    return lines(*(f"  {row}" for row in rows[:_SHOWN]), *more)


def _loss(state: State, loss: Loss) -> str:
    vlans = "untagged frames" if list(loss.vlans) == [0] else f"vlan {loss.vlans}"
    where = " beyond its host" if loss.uplinks else ""
    return f"{loss.port}{_owner(state, loss.port)}: {vlans}{where}"


def _owner(state: State, name: str) -> str:
    interface = parse_interface(name)
    veth = state.inventory.veths.get(interface.number) if isinstance(interface, Vethernet) else None
    return f" ({veth.nic.vm}, module {veth.slot})" if veth else ""


ROWS: tuple[Command, ...] = (
    Command(
        modes=(Mode.EXEC,),
        syntax="configure session <name:session>",
        help="Collect lines and put them into force together",
        do=_configure_session,
    ),
    Command(
        modes=(Mode.EXEC,),
        syntax="show configuration session [<name:session>] [summary]",
        help="Show configuration sessions",
        show=show_sessions,
    ),
    Command(
        modes=SESSION,
        syntax="verify",
        help="Show which modules and interfaces the lines would touch, and which would lose traffic",
        do=_verify,
    ),
    Command(
        modes=SESSION,
        syntax="commit [force] [timeout <seconds:5-86400>]",
        help="Put the lines into force, all or none",
        do=_commit,
        words={
            "commit": "Put the lines into force",
            "timeout": "Take them back unless confirmed in time",
        },
    ),
    Command(modes=SESSION, syntax="abort", help="Forget the lines", do=_abort),
)
