"""The story of hosts in mode NIV as people run it, and what Wireshark says of the frames on its cables."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.test_demo import stalled
from tests.support import tshark

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
DEMO = (sys.executable, "-m", "physical.dvs", "lab", "--niv", "--demo", "--keep")
LIMIT = 60.0
"""Seconds, not counting those in which the machine had more to do than it could."""
TOLD = (
    "of type Virtual Interface Switch",
    "request and answer each crossed it twice",
    "web1's broadcast came down the cable once, to list",
    "though they are on one host",
    "effective",
    "no frame on the cable of vem2 has a tag",
    "the frames have E-TAGs",
    "it lives on vem2 now",
    "on vem3, and its counters went on",
    "statements were checked and hold",
)


@pytest.fixture(scope="module")
def kept() -> Iterator[tuple[Path, str, float]]:
    """The directory of a lab that has told its story, what it printed, and how long it took."""
    with tempfile.TemporaryDirectory(prefix="dvs-", dir="/tmp") as directory:
        home = Path(directory, "lab")
        began, waited = time.monotonic(), stalled()
        done = subprocess.run((*DEMO, str(home)), env={**os.environ}, capture_output=True, text=True, timeout=LIMIT * 8)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stderr == ""
        yield home, done.stdout, time.monotonic() - began - (stalled() - waited)


def test_it_tells_the_whole_story_in_time(kept: tuple[Path, str, float]) -> None:
    _, printed, took = kept
    assert [text for text in TOLD if text not in printed] == []
    assert took < LIMIT


def test_wireshark_reads_its_vntags(kept: tuple[Path, str, float]) -> None:
    names = (
        "eth.src",
        "vntag.dir",
        "vntag.ptr",
        "vntag.dst",
        "vntag.looped",
        "vntag.src",
        "vntag.version",
        "icmp.type",
    )
    rows = [row for row in tshark.fields_of(kept[0] / "vem1.pcap", *names) if row[-1]]
    web1, web2 = ("52:54:00:00:00:01", "52:54:00:00:00:02")
    up, down, (one, two) = ["0", "0", "0", "0"], ["1", "0"], vifs_in(kept[1])
    assert rows == [
        [web1, *up, one, "0", "8"],
        [web1, *down, two, "1", one, "0", "8"],
        [web2, *up, two, "0", "0"],
        [web2, *down, one, "1", two, "0", "0"],
    ]


def vifs_in(printed: str) -> tuple[str, str]:
    """web1's and web2's, as the story tells them."""
    found = re.search(r"down to VIF (\d+) and (\d+)", printed)
    assert found and found[1] != found[2]
    return found[2], found[1]


@pytest.mark.parametrize("sender", ["web4", "web1"])
def test_wireshark_reads_its_lists(kept: tuple[Path, str, float], sender: str) -> None:
    """Down by one copy to a list; a sender on the same link is named, and flagged."""
    names = ("arp.opcode", "vntag.dir", "vntag.ptr", "vntag.looped", "vntag.src", "vntag.dst")
    rows = [row for row in tshark.fields_of(kept[0] / f"vem1-broadcast-{sender}.pcap", *names) if row[0]]
    named = ["1", vifs_in(kept[1])[0]] if sender == "web1" else ["0", "0"]
    assert [row[1:5] for row in rows if row[1] == "1"] == [["1", "1", *named]]
    assert all(int(row[5]) >= 4096 or row[2] == "0" for row in rows)


def test_wireshark_reads_its_etags(kept: tuple[Path, str, float]) -> None:
    names = (
        "frame.protocols",
        "etag.group",
        "etag.ecid_base",
        "etag.ecid_ext",
        "etag.iecid_base",
        "icmp.type",
        "icmp.seq",
    )
    rows = [row[:-1] for row in sorted(tshark.fields_of(kept[0] / "vem2-etag.pcap", *names), key=by_number) if row[-1]]
    assert [row[-1] for row in rows] == ["8", "0", "8", "0"]
    vif = {row[2] for row in rows}
    assert len(vif) == 1, "up and down it is named as what the link knows it by"
    for protocols, group, _, extension, ingress, _ in rows:
        assert protocols.startswith("eth:ethertype:etag:ethertype:ip:icmp")
        assert [int(group, 0), int(extension, 0), int(ingress, 0)] == [0, 0, 0]


def by_number(row: list[str]) -> int:
    """A second request doesn't wait for the first answer; each comes before its own."""
    return int(row[-1] or -1)
