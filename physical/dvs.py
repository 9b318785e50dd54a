"""The `dvs` command: the lab, the operator's command line, and light guests."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from dvswitch import completion
from dvswitch.errors import DvsError, InvalidValue
from physical import control, guest

DEFAULT_VSM = "unix:vsm-data/operator.sock"
"""Where `vsm run` listens to operators, when started in the same directory and told nothing else."""


@dataclass(frozen=True, slots=True)
class Command:
    """A subcommand: one row of the table COMMANDS."""

    help: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


# --- lab --------------------------------------------------------------------------------------------------------


def _lab_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--demo", action="store_true", help="tell and check the lab's story, then end; exit code 0: all true"
    )
    parser.add_argument(
        "--niv", action="store_true", help="with a VIS and hosts in mode NIV, which only tag what it switches"
    )
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="use this empty directory, and keep logs and data in it"
    )


def _lab(options: argparse.Namespace) -> int:
    # Imported late: guests, which are started by the same command, need none of it.
    from rich.console import Console

    from physical.demo import CHAPTERS, play
    from physical.demo_niv import CHAPTERS as NIV_CHAPTERS
    from physical.lab import Lab
    from physical.plan import NIV, PLAIN
    from physical.shell import Shell, furnish

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    with Lab(options.keep, NIV if options.niv else PLAIN) as lab:
        if options.demo:
            play(lab, Console(), NIV_CHAPTERS if options.niv else CHAPTERS)
            return 0
        furnish(lab)
        return Shell(lab).run()


def _end(number: int, frame: FrameType | None) -> None:
    """A signal that ends us does so by the way that cleans up."""
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


# --- the operator's command line --------------------------------------------------------------------------------


def _vsm_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--vsm", metavar="ADDRESS", default=DEFAULT_VSM, help="the supervisor's operator address (default %(default)s)"
    )


def _cli(options: argparse.Namespace) -> int:
    return _become_vsm("cli", "--connect", options.vsm)


def _exec_arguments(parser: argparse.ArgumentParser) -> None:
    _vsm_arguments(parser)
    parser.add_argument("lines", nargs="+", metavar="LINE", help="a command line; quote it")


def _exec(options: argparse.Namespace) -> int:
    return _become_vsm("exec", "--connect", options.vsm, "--", *options.lines)


_FRAME = {
    "frame": "the whole frame, in hexadecimal",
    "src": "source MAC [the port's own]",
    "dst": "destination MAC [broadcast]",
    "vlan": "with a tag of this VLAN",
    "type": "ethertype [0x0800]",
    "size": "bytes of the frame [60]",
}


def _trace_arguments(parser: argparse.ArgumentParser) -> None:
    _vsm_arguments(parser)
    parser.add_argument("--in", dest="port", required=True, metavar="PORT", help="veth3, or eth3/1: where it comes in")
    for name, text in _FRAME.items():
        parser.add_argument(f"--{name}", default="", help=text)


def _trace(options: argparse.Namespace) -> int:
    given = [word for name in _FRAME if (value := getattr(options, name)) for word in (f"--{name}", value)]
    return _become_vsm("exec", "--connect", options.vsm, "--", shlex.join(["trace", "interface", options.port, *given]))


def _drops(options: argparse.Namespace) -> int:
    return _become_vsm("exec", "--connect", options.vsm, "--", "show drops")


def _watch_arguments(parser: argparse.ArgumentParser) -> None:
    _vsm_arguments(parser)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help="module, veth, migration, ... [all]")
    parser.add_argument("--json", action="store_true", help="an object per line instead of text")


def _watch(options: argparse.Namespace) -> int:
    shape = ["--json"] if options.json else []
    return _become_vsm("watch", "--connect", options.vsm, *shape, "--", *options.kinds)


def _become_vsm(*arguments: str) -> int:
    """The prompt is the supervisor's own client; this is another door to it."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "vsm.main", *arguments])


# --- guests -----------------------------------------------------------------------------------------------------


def _guest_arguments(parser: argparse.ArgumentParser) -> None:
    steps = parser.add_subparsers(required=True, metavar="STEP")
    run = steps.add_parser("run", help="be a guest until told to quit, or SIGTERM")
    guest.add_arguments(run)
    run.set_defaults(step=guest.run)
    call = steps.add_parser("call", help="ask a running guest to do something")
    call.add_argument("--socket", required=True, metavar="PATH", help="its control socket")
    call.add_argument("request", metavar="COMMAND", help="ping, probe, stream, stop, report, counters, pause, …")
    call.add_argument("arguments", nargs="*", metavar="NAME=VALUE", help="to=10.0.0.2 count=3")
    call.set_defaults(step=_guest_call)


def _guest(options: argparse.Namespace) -> int:
    return int(options.step(options))


def _guest_call(options: argparse.Namespace) -> int:
    arguments = dict(_argument(text) for text in options.arguments)
    with control.Client(options.socket, "guest") as client:
        answer = client.call(options.request, **arguments)
    answer.pop("ok")
    print(json.dumps(answer, indent=2))
    return 0


def _argument(text: str) -> tuple[str, Any]:
    """NAME=VALUE; a VALUE that is JSON is what it says (numbers, true), else a string."""
    name, equals, value = text.partition("=")
    if not equals or name in ("command", "patience"):
        raise InvalidValue(f"argument '{text}'", "is not understood", "write it as NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


COMMANDS = {
    "lab": Command("a whole switch on this machine, without root: prompt or demo", _lab_arguments, _lab),
    "cli": Command("open a supervisor's command line", _vsm_arguments, _cli),
    "exec": Command("run command lines on a supervisor", _exec_arguments, _exec),
    "trace": Command("what the switch would do with a frame, step by step", _trace_arguments, _trace),
    "drops": Command("frames dropped on all hosts, by reason, and the last of each", _vsm_arguments, _drops),
    "watch": Command("what happens in the switch, a line per event, until interrupted", _watch_arguments, _watch),
    "guest": Command("a light guest on a datagram wire", _guest_arguments, _guest),
    "completion": Command("what bash needs to complete this command line", lambda _parser: None, lambda _: _complete()),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dvs", description="dvswitch, a distributed virtual switch: its lab and its command line."
    )
    steps = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        step = steps.add_parser(name, help=command.help, description=f"{command.help[0].upper()}{command.help[1:]}.")
        command.add_arguments(step)
        step.set_defaults(command=command)
    return parser


def _complete() -> int:
    print(completion.bash(_parser()), end="")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Console script `dvs`; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.command.run(options))
    except DvsError as error:
        print(f"dvs: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 141


if __name__ == "__main__":
    sys.exit(main())
