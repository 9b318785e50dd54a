"""The agent as a daemon beside a real supervisor: its command line, deaths of either side, and its memory."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.fabric import UPLINK_PROFILE, Fabric, Host, access_profile, home, veth, wire
from tests.support.netns import Lab, Namespace
from tests.support.packets import FrameSocket
from tests.support.processes import PATIENCE, wait_until

pytestmark = pytest.mark.slow

MAC = "02:00:00:00:00:%02x"
MEMORY_PORTS, MEMORY_LIMIT = 1000, 100e6
ATTACHING_AT_ONCE = 16


@pytest.fixture(scope="module")
def fabric() -> Iterator[Fabric]:
    """A supervisor with two profiles."""
    with home() as path, Fabric(path) as made:
        made.configure(access_profile("web", 10), access_profile("db", 20), UPLINK_PROFILE)
        yield made


@dataclass
class Guests:
    """Two guests on wires of one host."""

    path: Path
    ends: dict[str, socket.socket]
    veths: dict[str, int]

    def send(self, source: str, target: str, text: bytes) -> None:
        frame = self.mac(target) + self.mac(source) + b"\x08\x00" + text.ljust(50, b".")
        self.ends[source].sendto(frame, str(self.path / f"s-{source}"))

    def receive(self, name: str, seconds: float = PATIENCE) -> bytes:
        self.ends[name].settimeout(seconds)
        return self.ends[name].recv(70000)

    def passes(self, text: bytes, seconds: float = PATIENCE) -> bool:
        """One frame from a to b; the switch may take so long for it.  Earlier ones may come late."""
        end = time.monotonic() + seconds
        with contextlib.suppress(OSError):
            self.send("a", "b", text)
            while not self.receive("b", max(0.01, end - time.monotonic()))[14:].startswith(text):
                pass
            return True
        return False

    @staticmethod
    def mac(name: str) -> bytes:
        return bytes.fromhex((MAC % ord(name)).replace(":", ""))


@pytest.fixture(scope="module")
def host(fabric: Fabric) -> Host:
    """A host, alive again at the end of each test that killed it."""
    return fabric.add_host("alpha", "user")


@pytest.fixture
def guests(fabric: Fabric, host: Host) -> Iterator[Guests]:
    """Guests a and b, attached and forwarding."""
    made = Guests(fabric.path, {}, {})
    for name in "ab":
        end = made.ends[name] = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        end.bind(str(fabric.path / f"g-{name}"))
        plug = wire(fabric.path / f"s-{name}", fabric.path / f"g-{name}")
        made.veths[name] = fabric.attach_forwarding(host, name, mac=MAC % ord(name), profile="web", plug=plug)
    yield made
    for name, end in made.ends.items():
        end.close()
        (fabric.path / f"g-{name}").unlink()
        fabric.detach(host, made.veths[name])


def vem(host: Host, *arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "vem.main", *arguments, "--socket", str(host.socket)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)


# --- command line -----------------------------------------------------------------------------------------------


def test_attach_show_and_detach(fabric: Fabric, host: Host) -> None:
    ends = f"unix:{fabric.path}/cs>unix:{fabric.path}/cg"
    attach = ("attach", "--vm", "cli1", "--mac", "02:00:00:00:01:01", "--wire", ends)
    done = vem(host, *attach, "--profile", "web", "--adapter", "vnet0")
    assert (done.returncode, done.stderr) == (0, "")
    number = done.stdout.split()[0].removeprefix("Vethernet")
    assert done.stdout == f"Vethernet{number} is forwarding\n"
    row = next(line for line in vem(host, "show", "port").stdout.splitlines() if f"Veth{number}" in line)
    assert row.split()[1:7] == [f"Veth{number}", "FWD", "-", "02:00:00:00:01:01", "10", "vnet0"]
    assert f"Static  02:00:00:00:01:01  all   Veth{number}" in vem(host, "show", "mac").stdout
    assert vem(host, "show", "drops").stdout.split() == ["VSM", "Port", "Dir", "Reason", "Frames"]
    assert "Headless mode:    No" in vem(host, "status").stdout
    detach = ("detach", "--vm", "cli1")
    assert vem(host, *detach).stdout == "cli1 nic 0 is detached\n"
    assert vem(host, *detach).stdout == "cli1 nic 0 was not attached\n"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--mac", "02:00:00:00:01:02", "--profile", "nope"), "port-profile nope: does not exist"),
        (("--mac", "02:00:00:00:01:02", "--profile", "UPLINK"), "port-profile UPLINK"),
        (("--mac", "00:11:22:33:44", "--profile", "web"), "'00:11:22:33:44' is malformed"),
        (("--mac", "01:00:5e:00:00:01", "--profile", "web"), "can't be a NIC's own address"),
    ],
)
def test_a_refused_attach_says_why_and_leaves_nothing(
    fabric: Fabric, host: Host, arguments: tuple[str, ...], text: str
) -> None:
    before = len(fabric.status(host).ports)
    ends = f"unix:{fabric.path}/bs>unix:{fabric.path}/bg"
    done = vem(host, "attach", "--vm", "bad1", "--wire", ends, *arguments)
    assert done.returncode == 1 and done.stderr.startswith("vem: ") and text in done.stderr
    assert len(fabric.status(host).ports) == before


def test_an_agent_that_is_not_there(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "vem.main", "status", "--socket", "/nonexistent/vem.sock"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)
    assert done.returncode == 1
    assert done.stderr.startswith("vem: agent /nonexistent/vem.sock: nobody answers there")


def test_the_local_socket_is_private_and_has_one_owner(fabric: Fabric, host: Host) -> None:
    assert host.socket.stat().st_mode & 0o777 == 0o600
    argv = [sys.executable, "-m", "vem.main", "run", "--vsm", f"unix:{fabric.socket}", "--engine", "user"]
    argv += ["--socket", str(host.socket), "--state-dir", str(fabric.path / "second")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)
    assert done.returncode == 1 and "another agent serves there" in done.stderr
    assert host.socket.exists()


# --- deaths -----------------------------------------------------------------------------------------------------


def test_traffic_goes_on_without_the_supervisor_and_nothing_flaps_when_it_returns(
    fabric: Fabric, host: Host, guests: Guests
) -> None:
    assert guests.passes(b"before")
    fabric.vsm.kill()
    wait_until(lambda: fabric.status(host).headless, "headless")
    assert all(guests.passes(b"alone %d" % n) for n in range(20))
    fabric.start_vsm()
    wait_until(lambda: guests.passes(b"returning", 1.0) and fabric.in_touch(host), "in touch again")
    assert guests.passes(b"after")
    ports = {port.name: port for port in fabric.status(host).ports}
    a = ports[f"Veth{guests.veths['a']}"]
    assert a.counters.rx_frames >= 23 and a.counters.rx_frames == a.counters.rx_forwarded
    wait_until(lambda: fabric.veths()[guests.veths["a"]].counters.rx_frames >= 23, "the supervisor has the counters")


def test_a_killed_agent_plugs_its_nics_in_again(fabric: Fabric, host: Host, guests: Guests) -> None:
    before = fabric.veths()[guests.veths["a"]].counters.rx_frames
    assert guests.passes(b"before")
    wait_until(lambda: fabric.veths()[guests.veths["a"]].counters.rx_frames == before + 1, "reported")
    host.process.kill()
    fabric.vsm.end()
    fabric.start_host(host, wait=False)
    host.process.wait_ready(lambda: guests.passes(b"alone", 0.5), "forwards from its state file alone")
    fabric.start_vsm()
    wait_until(lambda: fabric.in_touch(host), "in touch")
    assert guests.passes(b"after")
    info = fabric.veths()[guests.veths["a"]]
    assert info.state == "up"
    wait_until(lambda: fabric.veths()[guests.veths["a"]].counters.rx_frames >= before + 3, "counters only rise")


def test_a_live_profile_edit(fabric: Fabric, host: Host, guests: Guests) -> None:
    fabric.configure(access_profile("moving", 30))
    end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    with contextlib.closing(end):
        end.bind(str(guests.path / "g-c"))
        plug = wire(guests.path / "s-c", guests.path / "g-c")
        number = fabric.attach_forwarding(host, "c", mac=MAC % ord("c"), profile="moving", plug=plug)
        guests.ends["c"] = end
        guests.send("a", "c", b"other vlan")
        with pytest.raises(TimeoutError):
            guests.receive("c", 0.5)
        fabric.configure("port-profile moving\nswitchport access vlan 10")

        def arrives() -> bool:
            guests.send("a", "c", b"same vlan")
            with contextlib.suppress(TimeoutError):
                return bool(guests.receive("c", 0.5))
            return False

        wait_until(arrives, "the guest is in the other VLAN")
        assert guests.passes(b"others undisturbed")
        guests.veths["c"] = number


# --- kernel engine ----------------------------------------------------------------------------------------------


@pytest.mark.kernel
def test_the_kernel_forwards_while_the_agent_is_dead_and_is_adopted() -> None:
    with Lab() as lab, home() as path, Fabric(path) as fabric:
        fabric.configure(access_profile("web", 10))
        where, left, right = lab.namespace("host"), lab.namespace("a"), lab.namespace("b")
        lab.veth(where, "va", left, "eth0", peer_mac=MAC % 0xA1)
        lab.veth(where, "vb", right, "eth0", peer_mac=MAC % 0xB1)
        host = fabric.add_host("kernel1", "kernel", where=where)
        _kernel_scenario(fabric, host, left, right)
    assert not Path("/sys/fs/bpf/dvswitch", host.uuid).exists()


def _kernel_scenario(fabric: Fabric, host: Host, left: Namespace, right: Namespace) -> None:
    numbers = [
        fabric.attach_forwarding(host, f"k{name}", mac=MAC % last, profile="web", plug=veth(f"v{name}"))
        for name, last in (("a", 0xA1), ("b", 0xB1))
    ]
    with FrameSocket(left, "eth0") as sender, FrameSocket(right, "eth0") as receiver:
        cookie = b"once and only once"
        frame = bytes.fromhex("0200000000b10200000000a10800") + cookie.ljust(50)

        def passes() -> bool:
            sender.send(frame)
            return receiver.collect(cookie, PATIENCE, enough=1) == [frame]

        assert passes()
        host.process.kill()
        assert all(passes() for _ in range(20))
        fabric.start_host(host)
        assert passes()
        ports = {port.name: port for port in fabric.status(host).ports}
        assert ports[f"Veth{numbers[0]}"].counters.rx_frames == 22
        assert ports[f"Veth{numbers[1]}"].counters.tx_frames == 22
        assert "adopted from the datapath" not in host.process.log.read_text()


# --- memory -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_memory_with_a_thousand_ports(fabric: Fabric) -> None:
    fabric.configure("port-profile web\nmax-ports 1024")
    host = fabric.add_host("big", "user")
    path = fabric.path / "w"
    path.mkdir()
    start = time.monotonic()

    def attach(number: int) -> int:
        mac = f"02:00:00:01:{number >> 8:02x}:{number & 255:02x}"
        plug = wire(path / f"s{number}", path / f"g{number}")
        return fabric.attach_forwarding(host, f"vm{number}", mac=mac, profile="web", plug=plug)

    with ThreadPoolExecutor(ATTACHING_AT_ONCE) as pool:
        assert len(set(pool.map(attach, range(MEMORY_PORTS)))) == MEMORY_PORTS
    print(f"{MEMORY_PORTS} ports in {time.monotonic() - start:.1f} s, {host.process.rss_bytes() / 1e6:.1f} MB")
    assert host.process.rss_bytes() < MEMORY_LIMIT
    host.process.kill()
    start = time.monotonic()
    fabric.start_host(host)
    ports = [port for port in fabric.status(host).ports if port.state == "FWD"]
    print(f"restarted in {time.monotonic() - start:.1f} s, {host.process.rss_bytes() / 1e6:.1f} MB")
    assert len(ports) == MEMORY_PORTS
    assert host.process.rss_bytes() < MEMORY_LIMIT
    host.process.end()
