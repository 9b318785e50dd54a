"""Captures, traces and last drops as people ask for them: on the host, and through the supervisor."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.fabric import UPLINK_PROFILE, Fabric, Host, access_profile, home, wire
from tests.support.processes import PATIENCE

A, B, STRANGER = (bytes.fromhex(f"02000000200{n}") for n in (1, 2, 9))


@dataclass
class Scene:
    """Two guests, a and b, of one host."""

    fabric: Fabric
    host: Host
    ends: list[socket.socket]
    veths: list[int]

    def send(self, frame: bytes) -> None:
        """From a."""
        for end in self.ends:
            with contextlib.suppress(BlockingIOError):
                while end.recv(2048):  # nobody wants them, but a full queue would be a reason to drop more
                    pass
        with contextlib.suppress(BlockingIOError):
            self.ends[0].sendto(frame, str(self.fabric.path / "s-0"))

    def vem(self, *arguments: str) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-m", "vem.main", *arguments, "--socket", str(self.host.socket)]
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def vem_text(self, *arguments: str) -> str:
        return self.vem(*arguments).communicate(timeout=PATIENCE)[0].decode()

    def capture(self, frame: bytes, *arguments: str) -> str:
        """Send the frame again and again until the capture has what it wants."""
        with self.vem("capture", *arguments) as process:
            for _ in range(int(PATIENCE / 0.1)):
                self.send(frame)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    return process.communicate(timeout=0.1)[0].decode()
            process.kill()
        raise AssertionError("nothing was captured")


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with home() as path, Fabric(path) as fabric:
        fabric.configure(access_profile("web", 10), UPLINK_PROFILE)
        host = fabric.add_host("alpha", "user")
        made = Scene(fabric, host, [], [])
        for number, mac in enumerate((A, B)):
            end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            end.bind(str(path / f"g-{number}"))
            end.setblocking(False)
            made.ends.append(end)
            plug = wire(path / f"s-{number}", path / f"g-{number}")
            made.veths.append(fabric.attach_forwarding(host, f"vm{number}", mac=mac.hex(":"), profile="web", plug=plug))
        yield made
        for end in made.ends:
            end.close()


def frame(dst: bytes, src: bytes) -> bytes:
    return dst + src + b"\x08\x00" + bytes.fromhex("45000054000040004001") + bytes(74)


def test_capture_shows_lines(scene: Scene) -> None:
    a, b = (f"Veth{number}" for number in scene.veths)
    lines = scene.capture(frame(B, A), "--count", "5", "--protocol", "1").splitlines()
    assert [line.split(" ", 2)[2].split(":")[0] for line in lines] == [
        f"{a} VnicTx",
        f"{a} PortInput",
        f"{a} EtherswitchDispatch",
        f"{b} PortOutput",
        f"{b} VnicRx",
    ]
    assert len({line.split()[1] for line in lines}) == 1, "one packet, one number"
    assert "vlan 10 IPv4 ICMP, length 102" in lines[3] and "IPv4 ICMP, length 98" in lines[4]


def test_capture_writes_what_tshark_reads(scene: Scene) -> None:
    if not shutil.which("tshark"):
        pytest.skip("tshark is not installed")
    target = Path(scene.fabric.path) / "out.pcapng"
    forged = frame(B, STRANGER)
    scene.capture(forged, "--count", "3", "--write", str(target))
    fields = ["frame.interface_name", "frame.comment", "frame.packet_id", "frame.packet_flags_direction", "eth.src"]
    argv = ["tshark", "-r", str(target), "-T", "fields", *(word for name in fields for word in ("-e", name))]
    rows = [line.split("\t") for line in subprocess.check_output(argv, text=True).splitlines()]
    port = f"Veth{scene.veths[0]}"
    assert [row[0] for row in rows] == [f"{port}:VnicTx", f"{port}:PortInput", f"{port}:Drop"]
    assert rows[2][1] == f"point=Drop reason=FORGED_TX rx={port} tx={port}"
    assert len({row[2] for row in rows}) == 1
    assert {row[4] for row in rows} == {STRANGER.hex(":")}
    malformed = ["tshark", "-r", str(target), "-Y", "_ws.malformed"]
    assert subprocess.check_output(malformed, text=True) == ""


def test_capture_through_the_supervisor(scene: Scene) -> None:
    refused = scene.fabric.execute("module vem 3 execute vem capture")
    assert not refused.ok and "--count" in refused.output
    unknown = scene.fabric.execute("module vem 9 execute vem capture --count 1")
    assert not unknown.ok and "module 9" in unknown.output
    with ThreadPoolExecutor(1) as pool:
        capture = pool.submit(scene.fabric.cli, "module vem 3 execute vem capture --count 2 --point VnicRx")
        while not capture.done():  # the command ends by itself after ten seconds
            scene.send(frame(B, A))
            wait([capture], timeout=0.1)
    lines = capture.result().splitlines()
    assert len(lines) == 2 and all(f"Veth{scene.veths[1]} VnicRx" in line for line in lines)
    wrong = scene.fabric.execute("module vem 3 execute vem capture --count 1 --point Nowhere")
    assert not wrong.ok and "EtherswitchDispatch" in wrong.output


@pytest.mark.parametrize("remote", [False, True])
def test_trace_says_what_decided(scene: Scene, remote: bool) -> None:
    port = f"Veth{scene.veths[0]}"
    if remote:
        output = scene.fabric.cli(f"trace interface {port} --src {STRANGER.hex(':')} --dst {B.hex(':')}")
    else:
        output = scene.vem_text("trace", "--in", port, "--src", STRANGER.hex(":"), "--dst", B.hex(":"))
    assert "DROP FORGED_TX" in output and "remedy: " in output
    words = ["--dst", B.hex(":")]
    if remote:
        output = scene.fabric.cli(f"module vem 3 execute vem trace --in {port} {' '.join(words)}")
    else:
        output = scene.vem_text("trace", "--in", port, *words)
    assert "port-profile web: switchport access vlan 10" in output
    assert f"-> Veth{scene.veths[1]}: delivered, untagged" in output
    assert "Forwarded: 1 of 1 receivers get it" in output


def test_last_drops_are_shown(scene: Scene) -> None:
    scene.capture(frame(B, STRANGER), "--count", "1", "--point", "Drop")
    port = f"Veth{scene.veths[0]}"
    asked = ("show drops last", f"show interface vethernet {scene.veths[0]} drops")
    for output in (scene.vem_text("show", "drops"), *map(scene.fabric.cli, asked)):
        assert f"{port} in forged-tx: " in output
        assert "forged transmits are rejected" in output
        assert f"{STRANGER.hex(':')} > {B.hex(':')}" in output


def test_dvs_trace_and_drops(scene: Scene) -> None:
    def dvs(*arguments: str) -> str:
        argv = [sys.executable, "-m", "physical.dvs", *arguments, "--vsm", f"unix:{scene.fabric.operator}"]
        return subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE).stdout

    output = dvs("trace", "--in", f"veth{scene.veths[0]}", "--dst", B.hex(":"))
    assert "Forwarded: 1 of 1" in output
    assert "Module 3" in dvs("drops")
