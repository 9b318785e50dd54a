"""What Wireshark says of the frames on the cable of a kernel-engine host in mode NIV, and of a capture made there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.niv_machines import NivScene, niv_scene
from tests.e2e.scenes import Stack, acquaint, reaches
from tests.support import tshark
from tests.support.packets import FrameSocket
from tests.support.processes import wait_until

pytestmark = [pytest.mark.kernel, pytest.mark.slow]


@pytest.fixture(scope="module")
def stage() -> Iterator[tuple[NivScene, Stack, Stack]]:
    with niv_scene() as scene:
        yield scene, scene.stack("one", 1), scene.stack("one", 2)


def vifs(scene: NivScene, tagging: str) -> dict[int, str]:
    """VIF by vEth, once the first host tags so and all is settled."""
    link = scene.show()["links"][0]
    found = {row["veth"]: str(row["vif"]) for row in scene.show()["vifs"] if row["port"] == 1 and row["vif"]}
    return found if link["tagging"] == tagging and link["final"] and len(found) == 2 else {}


def echoes(stage: tuple[NivScene, Stack, Stack], directory: Path, *names: str) -> list[list[str]]:
    """What the cable carries while one guest pings the other once; ICMP only."""
    scene, near, far = stage
    with FrameSocket(scene.space("one"), "up0") as came, FrameSocket(scene.space("one"), "up0", leaving=True) as left:
        assert reaches(near, far, 1, 20)
        frames = [*left.waiting(), *came.waiting()]
    return [row[:-1] for row in tshark.fields(directory, frames, *names, "icmp.type") if row[-1]]


def test_vntags_of_a_kernel_host(stage: tuple[NivScene, Stack, Stack], tmp_path: Path) -> None:
    scene, near, far = stage
    known = wait_until(partial(vifs, scene, "vntag"), "VIFs")
    acquaint(near, far)
    rows = echoes(stage, tmp_path, "vntag.dir", "vntag.ptr", "vntag.dst", "vntag.looped", "vntag.src", "vntag.version")
    a, b = known[near.veth], known[far.veth]
    up = [["0", "0", "0", "0", a, "0"], ["0", "0", "0", "0", b, "0"]]
    assert rows == [*up, ["1", "0", b, "1", a, "0"], ["1", "0", a, "1", b, "0"]]


def test_a_capture_of_such_a_host_opens(stage: tuple[NivScene, Stack, Stack], tmp_path: Path) -> None:
    scene, near, far = stage
    acquaint(near, far)
    target = tmp_path / "niv.pcapng"
    words = ["capture", "--protocol", "1", "--count", "8", "--write", str(target)]
    argv = [sys.executable, "-m", "vem.main", *words, "--socket", str(scene.hosts["one"].socket)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        wait_until(lambda: reaches(near, far) and process.poll() is not None, "enough was captured")
    assert process.returncode == 0
    rows = tshark.fields_of(target, "vntag.src", "icmp.type")
    assert all(kind for _, kind in rows)
    assert {tag for tag, _ in rows} - {""}, "the tag is in what passes the uplink"


def test_etags_of_a_kernel_host(stage: tuple[NivScene, Stack, Stack], tmp_path: Path) -> None:
    scene, near, far = stage
    slot = scene.fabric.status(scene.hosts["one"]).slot
    scene.fabric.configure(f"vem {slot}\nmode niv tagging etag")
    known = wait_until(partial(vifs, scene, "etag"), "the host has another tag")
    acquaint(near, far)
    rows = echoes(stage, tmp_path, "etag.group", "etag.ecid_base", "etag.iecid_base")
    found = [[int(value, 0) for value in row] for row in rows]
    a, b = int(known[near.veth]), int(known[far.veth])
    assert found == [[0, a, 0], [0, b, 0], [0, b, a], [0, a, b]], "down, the sender is named when it is on this link"
