"""`vsm`: runs the supervisor, its certificate authority, and the operator's command line.

Each command imports what it needs when it runs: together that would more than double the time to start.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import grpc

from dvswitch import logs
from dvswitch.client import TlsFiles, open_channel
from dvswitch.errors import DvsError
from vsm.options import Options, add_options, read_options

_DEFAULT_TLS = Path("tls")


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the `vsm` command; the exit status."""
    given = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = given.command
    try:
        return command(given)
    except DvsError as error:
        print(f"vsm: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="vsm", description="The supervisor of a dvswitch.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="run the supervisor", description="Run the supervisor until SIGTERM.")
    add_options(run)
    run.set_defaults(command=_run)
    _add_client(commands.add_parser("cli", help="open the command line"), _cli)
    execute = commands.add_parser("exec", help="run command lines in one session")
    execute.add_argument("lines", nargs="+", metavar="LINE", help="a command line; quote it")
    _add_client(execute, _exec)
    _add_watch(commands.add_parser("watch", help="show what happens, a line per event, until interrupted"))
    _add_pki(commands.add_parser("pki", help="make certificates"))
    complete = commands.add_parser("completion", help="print what bash needs to complete this command line")
    complete.set_defaults(command=lambda _given: _tell_bash(parser))
    return parser


def _tell_bash(parser: argparse.ArgumentParser) -> int:
    from dvswitch import completion

    print(completion.bash(parser), end="")
    return 0


def _add_client(parser: argparse.ArgumentParser, command: Callable[[argparse.Namespace], int]) -> None:
    default = Options().operator_address
    parser.add_argument(
        "--connect", metavar="ADDRESS", default=default, help=f"the supervisor's operator address [{default}]"
    )
    parser.add_argument("--tls-dir", type=Path, metavar="DIR", help="certificates, for an address that is not unix:")
    parser.add_argument("--name", default="operator", help="which certificate to show [operator]")
    parser.set_defaults(command=command)


def _add_watch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kinds", nargs="*", metavar="KIND", help="module, veth, migration, ... [all]")
    parser.add_argument("--json", action="store_true", help="an object per line instead of text")
    parser.add_argument("--count", type=int, default=0, metavar="N", help="end after N events")
    _add_client(parser, _watch)


def _add_pki(parser: argparse.ArgumentParser) -> None:
    steps = parser.add_subparsers(required=True, metavar="STEP")
    init = steps.add_parser("init", help="make the authority and the supervisor's certificate")
    issue = steps.add_parser("issue", help="make a certificate for a host or an operator")
    issue.add_argument("name", metavar="NAME", help="the host's UUID or name, or the operator's name")
    issue.add_argument("--operator", action="store_true", help="for an operator or a manager in the place of a host")
    for step, command in ((init, _pki_init), (issue, _pki_issue)):
        step.add_argument(
            "--tls-dir", type=Path, default=_DEFAULT_TLS, metavar="DIR", help=f"where files lie [{_DEFAULT_TLS}]"
        )
        step.set_defaults(command=command)


def _run(given: argparse.Namespace) -> int:
    options = read_options(given)
    logs.set_up(options.log_level)
    while asyncio.run(_serve(options)):
        pass
    return 0


async def _serve(options: Options) -> bool:
    from vsm.daemon import Daemon

    return await Daemon(options).run()


def _cli(given: argparse.Namespace) -> int:
    from vsm.shell import Remote, run_prompt

    with _channel(given) as channel:
        return run_prompt(Remote(channel, given.connect))


def _exec(given: argparse.Namespace) -> int:
    from vsm.shell import Remote, run_lines

    with _channel(given) as channel:
        return run_lines(Remote(channel, given.connect), given.lines)


def _watch(given: argparse.Namespace) -> int:
    from vsm.watch import watch

    asyncio.run(watch(given.connect, _tls(given), given.kinds, as_json=given.json, count=given.count))
    return 0


def _channel(given: argparse.Namespace) -> grpc.Channel:
    return open_channel(given.connect, _tls(given))


def _tls(given: argparse.Namespace) -> TlsFiles | None:
    return TlsFiles.in_directory(given.tls_dir, given.name) if given.tls_dir else None


def _pki_init(given: argparse.Namespace) -> int:
    from vsm import pki

    return _tell(pki.init(given.tls_dir))


def _pki_issue(given: argparse.Namespace) -> int:
    from vsm import pki

    return _tell(pki.issue(given.tls_dir, given.name, operator=given.operator))


def _tell(files: Sequence[Path]) -> int:
    for path in files:
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
