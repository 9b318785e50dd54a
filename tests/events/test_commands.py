"""Captures, traces and last drops as people ask for them: on the host, and through the supervisor."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from dvswitch.host_commands import VIEWS
from tests.api.test_prompt import Terminal
from tests.support.fabric import UPLINK_PROFILE, Fabric, Host, access_profile, home, wire
from tests.support.processes import PATIENCE, wait_until
from vem.agent.console import REMOTE_COUNT

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "watch_capture.py"
T = TypeVar("T")
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
    assert "vlan 10 IPv4 ICMP, length 98" in lines[3]  # S-055: the VLAN is shown beside the frame's own length
    assert "vlan" not in lines[4] and "IPv4 ICMP, length 98" in lines[4]


def test_a_port_without_a_point_is_watched_where_it_enters_or_is_left(scene: Scene) -> None:
    """S-245c"""
    a, b = (f"Veth{number}" for number in scene.veths)
    for arguments, place in (
        (("--port", a), f"{a} PortInput"),
        (("--port", a, "--dir", "0"), f"{a} PortInput"),
        (("--port", b, "--dir", "1"), f"{b} PortOutput"),
        (("--port", b, "--dir", "out"), f"{b} PortOutput"),
        (("--port", b, "--point", "VnicRx"), f"{b} VnicRx"),
    ):
        lines = scene.capture(frame(B, A), "--count", "2", "--protocol", "1", *arguments).splitlines()
        assert [line.split(" ", 2)[2].split(":")[0] for line in lines] == [place] * 2, arguments
    for arguments in (("--dir", "out"), ("--dir", "out", "--port", a, "--point", "VnicRx")):
        assert "is for a port without a point" in scene.vem_text("capture", *arguments)
    assert "usage" in scene.vem_text("capture", "--port", a, "--dir", "up")


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
    unknown = scene.fabric.execute("module vem 9 execute vem capture --count 1")
    assert not unknown.ok and "module 9" in unknown.output
    with ThreadPoolExecutor(1) as pool:
        capture = pool.submit(
            scene.fabric.cli, "module vem 3 execute vem capture --point VnicRx --count 2 | include Veth"
        )
        while not capture.done():  # the command ends by itself after ten seconds
            scene.send(frame(B, A))
            wait([capture], timeout=0.1)
    lines = capture.result().splitlines()
    assert len(lines) == 2 and all(f"Veth{scene.veths[1]} VnicRx" in line for line in lines)
    wrong = scene.fabric.execute("module vem 3 execute vem capture --count 1 --mac 30:59:b7:00:11::22")
    assert not wrong.ok and "Invalid mac address" in wrong.output
    refused = scene.fabric.execute("module vem 3 execute capture --port Veth999")
    assert not refused.ok and "ERROR: module 3: port Veth999: is not on this host" in refused.output


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_capture_ends_when_the_operator_does(scene: Scene, end: signal.Signals) -> None:
    """The host runs one capture at a time: a second one is accepted as soon as the first has ended there.

    A capture would end by itself after nine seconds; a busy machine may need some tries to be seen to be faster.
    """
    assert any(seconds_to_end(scene, end) < 7 for _ in range(5))


def test_a_capture_that_is_watched_goes_on_until_control_c(scene: Scene) -> None:
    """More frames than an unwatched one gives, each as it comes; then the host is free for another."""
    argv = [sys.executable, "-m", "vsm.main", "cli", "--connect", f"unix:{scene.fabric.operator}"]
    terminal = Terminal(argv, dict(os.environ, TERM="vt100"))
    try:
        terminal.shows("vsm# ")
        terminal.type("module vem 3 execute capture --point VnicRx\r")
        sent_until(scene, lambda: terminal.looked_at().count("VnicRx") > 2 * REMOTE_COUNT)
        shown = terminal.looked_at()
        assert f"Veth{scene.veths[1]} VnicRx" in shown and "vsm# " not in shown.partition("\n")[2]
        terminal.type("\x03")
        terminal.shows(r"\^C\s+vsm# ")
        wait_until(lambda: scene.fabric.execute(PROBE).ok, "the capture has ended")
    finally:
        terminal.close()


def test_a_script_watches_a_capture(scene: Scene) -> None:
    """docs/examples/watch_capture.py, which uses the client for programs without asyncio."""
    argv = [sys.executable, str(EXAMPLE), f"unix:{scene.fabric.operator}", "3", "25", "--point", "VnicRx"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as script:
        sent_until(scene, lambda: script.poll() is not None)
        assert script.stdout is not None
        said = script.stdout.read().decode().splitlines()
    assert script.returncode == 0 and said[0] == "module 3 is ok" and said[-1] == "done"
    assert len(said) == 27 and all("VnicRx" in line for line in said[1:-1])
    wait_until(lambda: scene.fabric.execute(PROBE).ok, "the capture has ended")


def sent_until(scene: Scene, done: Callable[[], T]) -> T:
    """Send frames until it is done."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        scene.send(frame(B, A))
        if found := done():
            return found
        time.sleep(0.01)  # a rate, not a wait
    raise AssertionError("it was not done")


PROBE = "module vem 3 execute capture --seconds 0"
"""Refused while another capture runs."""


def seconds_to_end(scene: Scene, end: signal.Signals) -> float:
    """From the signal that ends the operator's capture to the end of that capture on the host."""
    with running_capture(scene) as process:
        process.send_signal(end)
        began = time.monotonic()
        wait_until(lambda: scene.fabric.execute(PROBE).ok, "the capture has ended")
        return time.monotonic() - began


def running_capture(scene: Scene) -> subprocess.Popen[bytes]:
    """An operator's program whose capture runs; it is begun anew if it was itself refused because of a probe."""
    argv = [sys.executable, "-m", "vsm.main", "exec", "--connect", f"unix:{scene.fabric.operator}", "--"]
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        process = subprocess.Popen([*argv, "module vem 3 execute capture --seconds 9 --point VnicRx"])
        while process.poll() is None:
            if "another one is running" in scene.fabric.execute(PROBE).output:
                return process
    raise AssertionError("no capture could be begun")


@pytest.mark.parametrize("name", VIEWS)
def test_views_are_the_same_on_the_host_and_from_the_supervisor(scene: Scene, name: str) -> None:
    scene.send(frame(B, STRANGER))
    local = scene.vem_text("show", *name.split())
    remote = scene.fabric.cli(f"module vem 3 execute vem show {name}")
    assert local.splitlines()[0].split() == remote.splitlines()[0].split()
    for expected in _IN_VIEWS[name]:
        assert expected in local and expected in remote


_IN_VIEWS = {
    "bd": ("VLAN", "  10  Veth1, Veth2"),
    "card": ("Card slot:          3", "Engine:             user", "Headless mode:      No", "MTU:                1500"),
    "counters": ("RxFrames", "MacMoves"),
    "drops": ("forged-tx", "source MAC is not the vNIC's own", "    last ", STRANGER.hex(":")),
    "groups": ("VLAN  Group  Members",),
    "lacp": ("Uplink",),
    "macs": (f"Static  {A.hex(':')}  all   Veth1",),
    "mobility": ("Port", "Role"),
    "niv": ("Stage: local", "Uplink  VIS  VIS Port  Tagging"),
    "port": ("Veth2", "FWD"),
    "port vlans": ("Veth1     A              10  FWD    10                10",),
    "pinning": ("Veth1     ", "web      -       -     teaming method port-id"),
    "teams": ("web", "port-id"),
    "uplinks": ("Vem Port",),
}


@pytest.mark.slow
def test_a_module_that_is_stopped_gives_an_error_and_stalls_nobody(scene: Scene) -> None:
    """Within the time after which it is called absent; meanwhile the supervisor answers everybody else."""
    with home() as path, Fabric(path) as fabric, ThreadPoolExecutor(2) as pool:
        for number, name in enumerate(("dumb", "fine"), start=3):
            fabric.add_host(name, "user")
            assert "ok" in fabric.cli(f"module vem {number} execute show card | include Revision").replace(":", " ok")
        os.kill(fabric.hosts["dumb"].process.pid, signal.SIGSTOP)
        try:
            asked = pool.submit(fabric.execute, "module vem 3 execute show card")
            drops = pool.submit(fabric.execute, "show drops last")
            while not asked.done():
                assert "Card name:          fine" in fabric.cli("module vem 4 execute show card")
            refused = asked.result()
            assert not refused.ok and "module 3" in refused.output and "ERROR" in refused.output
            assert "module 3" in drops.result().output and drops.result().ok
        finally:
            os.kill(fabric.hosts["dumb"].process.pid, signal.SIGCONT)
        assert fabric.execute("module vem 4 execute show card").ok


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


def test_drops_are_counted_explained_and_shown(scene: Scene) -> None:
    scene.capture(frame(B, STRANGER), "--count", "1", "--point", "Drop")
    port = f"Veth{scene.veths[0]}"
    counted = rf"{port}\s+in\s+forged-tx\s+[1-9]\d*"
    last = f"{port} in forged-tx: "
    lines = {
        f"show interface vethernet {scene.veths[0]} drops": last,
        f"show interface vethernet {scene.veths[0]} drops last": last,
        "show drops": last,
        "show drops last": last,
        f"module vem 3 execute drops {port}": counted,
        "module vem 3 execute show drops": counted,
    }
    for line, expected in lines.items():
        output = scene.fabric.cli(line)
        assert re.search(expected, output), line
        assert "forged transmits are rejected" in output, line
        assert f"{STRANGER.hex(':')} > {B.hex(':')}" in output, line
    assert re.search(counted, scene.vem_text("drops", port)) and last in scene.vem_text("drops", port, "--last")
    wait_until(
        lambda: re.search(rf"Vethernet{scene.veths[0]}\s+in\s+forged-tx\s+[1-9]", scene.fabric.cli("show drops")),
        "the supervisor has the counts",
    )


def test_dvs_trace_and_drops(scene: Scene) -> None:
    def dvs(*arguments: str) -> str:
        argv = [sys.executable, "-m", "physical.dvs", *arguments, "--vsm", f"unix:{scene.fabric.operator}"]
        return subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE).stdout

    scene.capture(frame(B, STRANGER), "--count", "1", "--point", "Drop")
    output = dvs("trace", "--in", f"veth{scene.veths[0]}", "--dst", B.hex(":"))
    assert "Forwarded: 1 of 1" in output
    counted = re.compile(rf"Vethernet{scene.veths[0]}\s+in\s+forged-tx\s+[1-9]\d*  source MAC is not")
    wait_until(lambda: counted.search(dvs("drops")), "the supervisor has the counts")
    assert f"Module 3\nVeth{scene.veths[0]} in forged-tx: " in dvs("drops")
