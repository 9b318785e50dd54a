"""Guests as processes on a cable: what the control socket can ask of them, and how they end."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dvswitch.errors import DvsError
from physical import control
from physical.cable import Cable


@dataclass
class Pair:
    """Two guests on one cable."""

    room: Path
    cable: Cable
    a: control.Client
    b: control.Client
    processes: list[subprocess.Popen[bytes]]


def start(room: Path, name: str, number: int, cable: Cable, end: str) -> subprocess.Popen[bytes]:
    nic = f"0,mac=52:54:00:00:00:0{number},ip=10.0.0.{number}/24,wire={cable.end(end)}"
    command = (sys.executable, "-m", "physical.dvs", "guest", "run", "--name", name, "--nic", nic)
    return subprocess.Popen((*command, "--socket", f"{room}/{name}.ctl"))


def eventually(condition: Callable[[], object], patience: float = 60.0) -> bool:
    deadline = time.monotonic() + patience
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return bool(condition())


def answers(client: control.Client) -> bool:
    """A socket is there a moment before somebody listens."""
    try:
        return bool(client.call("counters"))
    except DvsError:
        return False


@pytest.fixture
def pair() -> Iterator[Pair]:
    with tempfile.TemporaryDirectory(prefix="dvs-", dir="/tmp") as directory:
        room = Path(directory)
        cable = Cable(room, "c")
        processes = [start(room, "a", 1, cable, "a"), start(room, "b", 2, cable, "b")]
        a, b = (control.Client(f"{room}/{name}.ctl", f"guest {name}") for name in "ab")
        try:
            assert eventually(lambda: answers(a) and answers(b))
            yield Pair(room, cable, a, b, processes)
        finally:
            for client in (a, b):
                client.close()
            for process in processes:
                process.terminate()
                process.wait(60)


def received(pair: Pair) -> int:
    return int(pair.b.call("report", stream=1, source="10.0.0.1")["received"])


def test_ping_stops_with_the_cable_and_goes_on_with_it(pair: Pair) -> None:
    assert pair.a.call("ping", 60.0, to="10.0.0.2", count=3, timeout=20)["received"] == 3
    pair.cable.cut()
    answer = pair.a.call("ping", to="10.0.0.2", count=2, timeout=0.1)
    assert (answer["sent"], answer["received"], answer["round_trip"]) == (2, 0, None)
    assert pair.a.call("counters")["nics"]["0"]["tx_lost"] >= 2
    pair.cable.mend()
    began = time.monotonic()
    reached = pair.a.call("probe", to="10.0.0.2")["reached_at"]
    assert began <= reached <= time.monotonic()


def test_a_paused_guest_stands_still_and_goes_on_elsewhere(pair: Pair) -> None:
    pair.a.call("stream", to="10.0.0.2", stream=1, rate=500)
    assert eventually(lambda: received(pair) > 20)
    pair.b.call("pause")
    before = received(pair)
    elsewhere = Cable(pair.room, "d")
    pair.a.call("replug", wire=str(elsewhere.end("a")))
    pair.b.call("replug", wire=str(elsewhere.end("b")))
    sent = pair.a.call("sent", stream=1)["sent"]
    assert eventually(lambda: pair.a.call("sent", stream=1)["sent"] > sent + 20)
    assert (received(pair), pair.b.call("counters")["paused"]) == (before, True)
    pair.b.call("resume")
    assert eventually(lambda: received(pair) > before + 20)
    sent = pair.a.call("stop", stream=1)["sent"]
    assert eventually(lambda: pair.b.call("report", stream=1, source="10.0.0.1", sent=sent)["lost"] < 100)
    report = pair.b.call("report", stream=1, source="10.0.0.1", sent=sent)
    assert report["received"] + report["lost"] == sent and report["duplicates"] == 0
    assert not (pair.room / "c.a").exists() and (pair.room / "d.a").exists()


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("ping", {"to": "somewhere"}, "somewhere"),
    ("ping", {"to": "192.0.2.1"}, "192.0.2.1"),
    ("ping", {"to": "10.0.0.2", "count": 0}, "count 0 is out of range"),
    ("stream", {"to": "10.0.0.2", "stream": 1, "rate": 0}, "rate 0"),
    ("stream", {"to": "10.0.0.2"}, "'stream' is missing"),
    ("stop", {"stream": 9}, "stream 9"),
    ("replug", {"wire": "unix:/only-one-end"}, "one end"),
    ("replug", {"wire": "unix:/nowhere/a>unix:/nowhere/b"}, "can't be opened"),
    ("replug", {"wire": "unix:/a>unix:/b", "nic": 7}, "nic 7"),
]


def test_what_can_not_be_done_is_refused_and_changes_nothing(pair: Pair) -> None:
    for command, arguments, named in REFUSED:
        with pytest.raises(DvsError, match=named):
            pair.a.call(command, **arguments)
    assert pair.a.call("ping", 60.0, to="10.0.0.2", timeout=20)["received"] == 3


def test_a_guest_told_to_quit_answers_ends_and_clears_up(pair: Pair) -> None:
    assert pair.a.call("quit")["ok"]
    assert pair.processes[0].wait(60) == 0
    assert sorted(os.listdir(pair.room)) == ["b.ctl", "c.b", "c.to-a", "c.to-b"]
