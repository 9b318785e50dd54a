"""The lab's prompt: CLI lines go to the supervisor, lines that begin with "lab" to the lab itself.

The lab's own words are one table (COMMANDS).  Parsing, help and completion of CLI lines are the supervisor's
(operator.proto); without a terminal, lines are read from standard input.
"""

from __future__ import annotations

import shlex
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import grpc
from prompt_toolkit import PromptSession
from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.shortcuts import CompleteStyle

from dvswitch.errors import DvsError, InvalidValue
from physical.lab import PING_PATIENCE, Lab
from physical.plan import PROFILES
from physical.vis_show import VIEWS

PROMPT = "lab# "
"""While the supervisor is away."""


@dataclass(frozen=True, slots=True)
class Command:
    """One of the lab's own words."""

    arguments: str
    """As shown in help."""
    counts: tuple[int, ...]
    """How many arguments it takes."""
    help: str
    run: Callable[[Lab, list[str]], str]


def _ping(lab: Lab, words: list[str]) -> str:
    reached = lab.ping(words[0], words[1], patience=3 * PING_PATIENCE)
    return f"{words[1]} {'answers' if reached else 'does not answer'}"


def _reachable(lab: Lab, words: list[str]) -> str:
    names = list(lab.guests)
    found = lab.reachable()
    rows = [f"{'':8}" + "".join(f"{name:>8}" for name in names)]
    for source in names:
        cells = ["-" if source == target else "yes" if found[source, target] else "no" for target in names]
        rows.append(f"{source:8}" + "".join(f"{cell:>8}" for cell in cells))
    return "\n".join(rows)


def _move(lab: Lab, words: list[str]) -> str:
    if len(words) == 3 and words[1] != "to":
        raise InvalidValue("lab move", f"'{words[1]}' is not understood", "write: lab move GUEST to HOST")
    pause = lab.move(words[0], words[-1])
    return f"{words[0]} runs on {words[-1]}; it stood still for {pause.seconds * 1000:.0f} ms"


def _kill(lab: Lab, words: list[str]) -> str:
    lab.kill_process(words[0])
    return f"{words[0]} is killed"


def _start(lab: Lab, words: list[str]) -> str:
    lab.start_process(words[0])
    return f"{words[0]} runs"


def _cut(lab: Lab, words: list[str]) -> str:
    lab.cut(words[0])
    return f"the cable between {words[0]} and sw1 is cut"


def _mend(lab: Lab, words: list[str]) -> str:
    lab.mend(words[0])
    return f"the cable between {words[0]} and sw1 is mended"


def _switch(lab: Lab, words: list[str]) -> str:
    view = VIEWS.get(words[0])
    if view is None:
        raise InvalidValue("lab switch", f"'{words[0]}' is unknown", f"choose {', '.join(VIEWS)}")
    return view.render(lab.switch.call(view.command)).rstrip()


def _status(lab: Lab, words: list[str]) -> str:
    rows = [f"{'Process':10}{'PID':>8}  State"]
    for process in lab.processes.all():
        rows.append(f"{process.name:10}{process.pid:>8}  {'running' if process.running else 'ended'}")
    rows += ["", f"{'Guest':10}{'Address':12}{'MAC':20}{'Host':6}"]
    for guest in lab.guests.values():
        rows.append(f"{guest.plan.name:10}{guest.plan.address:12}{guest.plan.mac:20}{guest.host:6}")
    rows += ["", f"logs and sockets: {lab.directory}"]
    if lab.broker_port:
        listen = f"mosquitto_sub -h 127.0.0.1 -p {lab.broker_port} -v -t 'dvs/#'"
        rows.append(f"events (MQTT): {listen}")
    return "\n".join(rows)


def _help(lab: Lab, words: list[str]) -> str:
    return "\n".join(f"  lab {name} {command.arguments}".ljust(32) + command.help for name, command in COMMANDS.items())


COMMANDS = {
    "status": Command("", (0,), "processes, guests, and where the logs are", _status),
    "ping": Command("GUEST GUEST", (2,), "whether the second answers the first", _ping),
    "reachable": Command("", (0,), "ping between all guests", _reachable),
    "move": Command("GUEST to HOST", (2, 3), "migrate a guest", _move),
    "kill": Command("PROCESS", (1,), "kill -9 vsm, sw1 or a host", _kill),
    "start": Command("PROCESS", (1,), "start it again", _start),
    "cut": Command("HOST", (1,), "cut its cable to the physical switch", _cut),
    "mend": Command("HOST", (1,), "mend it", _mend),
    "switch": Command("WHAT", (1,), f"the physical switch's {', '.join(VIEWS)}", _switch),
    "help": Command("", (0,), "this list", _help),
}


def furnish(lab: Lab) -> None:
    """Start everything, configure it and plug the guests in."""
    print(f"starting supervisor, physical switch and {len(lab.network.hosts)} hosts ...", flush=True)
    lab.start()
    lab.configure(PROFILES)
    for plan in lab.network.guests:
        lab.attach(plan)
    for host in lab.network.niv:
        lab.set_mode(host, "niv")
    print(f"{', '.join(lab.guests)} are plugged in; 'lab help' lists the lab's own words, 'exit' ends it", flush=True)


class Shell:
    """A prompt over a lab."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._session = uuid.uuid4().hex
        self._closed = False

    def run(self) -> int:
        """Until `exit` or the end of the input; the exit code (without a terminal: 1 if a line was refused)."""
        if not sys.stdin.isatty():
            refused = sum(not self._one(line.rstrip("\n")) for line in self._piped())
            return 1 if refused else 0
        session: PromptSession[str] = PromptSession(
            completer=_Words(self),
            complete_while_typing=False,
            complete_style=CompleteStyle.READLINE_LIKE,
            key_bindings=self._keys(),
        )
        while not self._closed:
            try:
                self._one(session.prompt(self.prompt()))
            except KeyboardInterrupt:
                continue
            except EOFError:
                break
        return 0

    def prompt(self) -> str:
        """The supervisor's, or PROMPT while it is away."""
        try:
            return self._lab.remote_execute(self._session, "").prompt
        except grpc.RpcError:
            return PROMPT

    def complete(self, line: str) -> list[tuple[str, str]]:
        """(word, help) of what may come next."""
        words = line.split(" ")
        if words[0] == "lab" and len(words) > 1:
            return [(name, command.help) for name, command in COMMANDS.items()] if len(words) == 2 else []
        try:
            found = self._lab.remote_complete(self._session, line)
        except grpc.RpcError:
            found = []
        return [*found, ("lab", "the lab itself: lab help")] if len(words) == 1 else found

    def _piped(self) -> Iterator[str]:
        for line in sys.stdin:
            if self._closed:
                return
            yield line

    def _one(self, line: str) -> bool:
        """Run a line and show what comes of it; False when it was refused."""
        words = line.split()
        try:
            if words[:1] == ["lab"]:
                print(run_lab_line(self._lab, line))
                return True
            reply = self._lab.remote_execute(self._session, line)
        except DvsError as error:
            print(f"ERROR: {error}")
            return False
        except grpc.RpcError as error:
            detail = error.details() if isinstance(error, grpc.Call) else error
            print(f"ERROR: the supervisor does not answer: {detail}; 'lab start vsm' starts it again")
            return False
        sys.stdout.write(reply.output)
        sys.stdout.flush()
        self._closed = reply.closed
        return bool(reply.ok)

    def _keys(self) -> KeyBindings:
        """`?` shows help at once and leaves the line as it is."""
        bindings = KeyBindings()

        @bindings.add("?")
        def show(event: KeyPressEvent) -> None:
            line = event.current_buffer.document.text_before_cursor
            run_in_terminal(lambda: print("\n".join(f"  {word:20}{text}" for word, text in self.complete(line))))

        return bindings


def run_lab_line(lab: Lab, line: str) -> str:
    """Do what a line "lab …" says; its output.  InvalidValue when it is not understood."""
    _, *words = shlex.split(line)
    name, arguments = (words[0], words[1:]) if words else ("help", [])
    command = COMMANDS.get(name)
    if command is None:
        raise InvalidValue(f"lab {name}", "is unknown", f"choose {', '.join(COMMANDS)}")
    if len(arguments) not in command.counts:
        raise InvalidValue(f"lab {name}", "takes other arguments", f"write: lab {name} {command.arguments}".rstrip())
    return command.run(lab, arguments)


class _Words(Completer):
    """Tab: what goes on with the word at the cursor."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        """Keywords only; placeholders can't be completed."""
        line = document.text_before_cursor
        begun = "" if line.endswith(" ") else (line.split() or [""])[-1]
        for word, text in self._shell.complete(line):
            if not word.startswith("<") and word.startswith(begun):
                yield Completion(f"{word} ", start_position=-len(begun), display=word, display_meta=text)
