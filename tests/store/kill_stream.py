"""Edits typed into a supervisor that is killed again and again: a program of its own, so that it can fork cheaply.

    python -m tests.store.kill_stream DIRECTORY KILLS SEED

Each life is a process with the real store and command line; it goes on with the script where the last one ended and
reports every step once it has been answered.  SIGKILL meets it at a random instant.  What the store then holds must be
the script up to the last answered step, or one step further.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from tests.support.fake_runtime import FakeRuntime
from tests.support.switches import MemoryStore
from vsm.cli.service import CliService
from vsm.model.state import State
from vsm.store.bootflash import Bootflash
from vsm.store.sqlite import SqliteStore
from vsm.supervisor import Store, Supervisor

PERIOD = 12
"""Steps after which the script comes round, with other numbers."""


def step(number: int) -> tuple[str, ...]:
    """Lines of which the last one changes something; every kind of edit in turn."""
    round_number, kind = divmod(number, PERIOD)
    vlan = 2 + round_number * 7 % 4000
    conf = "configure terminal"
    return (
        (conf, f"vlan {vlan}"),
        (conf, f"vlan {vlan}", f"name n{number}"),
        (conf, f"port-profile P{round_number}"),
        (conf, f"port-profile P{round_number}", f"switchport access vlan {vlan}"),
        (f"checkpoint c{round_number}",),
        (conf, f"no port-profile P{round_number}"),
        (conf, f"hostname h{number}"),
        (f"rollback running-config checkpoint c{round_number}",),
        ("configure replace base commit-timeout 600",),
        ("configure confirm",),
        ("clear checkpoint database",),
        ("configure session s", "vlan 4001", f"hostname s{number}", "commit"),
    )[kind]


def service(store: Store, files: Bootflash) -> tuple[CliService, Supervisor]:
    """A command line over a store; time stands still, so that texts do not differ by it."""
    supervisor = Supervisor(store)
    return CliService(supervisor, FakeRuntime(), lambda: 0.0, files=files), supervisor


def do(cli: CliService, number: int) -> None:
    """One step."""
    for line in step(number):
        reply = cli.execute("stream", line)
        if not reply.ok:
            raise AssertionError(f"step {number}: {line}: {reply.output}")
    cli.close("stream")


def live(path: Path, first: int, report: int) -> None:
    """A life: steps from ``first`` on until killed."""
    cli, _ = service(SqliteStore(path / "vsm.db"), Bootflash(path / "bootflash"))
    number = first
    while True:
        do(cli, number)
        number += 1
        os.write(report, b".")


def answered(path: Path, first: int, delay: float) -> int:
    """Start a life, kill it ``delay`` seconds after its first answer; how many steps it had answered."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            live(path, first, writer)
        finally:
            os._exit(1)
    os.close(writer)
    try:
        count = len(os.read(reader, 1))
        time.sleep(delay)
    finally:
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    while more := len(os.read(reader, 65536)):
        count += more
    os.close(reader)
    assert os.WIFSIGNALED(status), "it ended by itself"
    return count


def main() -> None:
    """Kill, compare, go on."""
    path, kills, dice = Path(sys.argv[1]), int(sys.argv[2]), random.Random(int(sys.argv[3]))
    files = Bootflash(path / "bootflash")
    files.write("base", b"hostname base\nvlan 5\n  name five\nport-profile BASE\n  no shutdown\n")
    oracle, expected = service(MemoryStore(State()), files)
    done, unanswered = 0, 0
    for _ in range(kills):
        count = answered(path, done, dice.choice((0, dice.uniform(0, 0.004), dice.uniform(0, 0.03))))
        for number in range(done, done + count):
            do(oracle, number)
        done += count
        store = SqliteStore(path / "vsm.db")
        found = store.load()
        store.close()
        if replace(found, revision=0) != replace(expected.state, revision=0):
            do(oracle, done)
            done += 1
            unanswered += 1
            assert replace(found, revision=0) == replace(expected.state, revision=0), f"after step {done}"
    print(f"kills={kills} steps={done} unanswered={unanswered}")


if __name__ == "__main__":
    main()
