"""Real Linux guests in QEMU, without hardware virtualisation: two seconds from start to a configured address.

    with Guest("web1", [TapNic("52:54:00:00:00:01", "tap0", "10.0.0.1/24")], where=host_namespace) as guest:
        guest.wait_ready()
        print(guest.run("ip -br address"))

The tap (or the wire's directory) must exist before the guest starts.  A virtio NIC on a tap sends frames of up to 64 KB
with unfinished checksums, as guests do in production; one on a datagram wire sends complete frames.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tests.support.leftovers import SCRATCH
from tests.support.netns import Namespace
from tests.vm.cpio import Archive
from tests.vm.guest_image import GuestImage, GuestUnavailable, guest_image

QEMU = "qemu-system-x86_64"
MEMORY_MB = 128
BOOT_SECONDS = COMMAND_SECONDS = 240.0
LINK = "speed=10000,duplex=full"
"""What a guest believes of its NICs; a bond needs to know.  (Virtio says nothing by itself.)"""
START_SECONDS = 60.0
STOP_SECONDS = 5.0
BASE_COMMAND = (QEMU, *["-machine", "pc", "-accel", "tcg,thread=multi", "-smp", "1", "-nodefaults", "-no-user-config"])
HEADLESS = ("-m", str(MEMORY_MB), "-display", "none", "-no-reboot")
BASE_APPEND = "console=ttyS0 quiet loglevel=1 panic=-1 reboot=t net.ifnames=0 no_timer_check"
"""A machine that is busy may keep an emulated timer from ticking for so long that Linux gives it up, and panics."""


class GuestFailed(AssertionError):
    """The guest or a command in it failed; the text is what it printed."""


@dataclass(frozen=True)
class TapNic:
    """A virtio NIC on an existing tap, offloads on."""

    mac: str
    tap: str
    address: str = ""

    def netdev(self, ident: str) -> str:
        return f"tap,id={ident},ifname={self.tap},script=no,downscript=no"


@dataclass(frozen=True)
class WireNic:
    """A virtio NIC on a unix datagram wire: it binds `local` and sends to `remote`."""

    mac: str
    local: Path
    remote: Path
    address: str = ""

    def netdev(self, ident: str) -> str:
        ends = f"local.type=unix,local.path={self.local},remote.type=unix,remote.path={self.remote}"
        return f"dgram,id={ident},{ends}"


class Guest:
    """One guest; a context manager that starts and surely ends it."""

    def __init__(
        self,
        name: str,
        nics: Sequence[TapNic | WireNic],
        *,
        where: Namespace | None = None,
        http_bytes: int = 0,
        files: Mapping[str, bytes] | None = None,
        incoming: bool = False,
        ipv6: bool = False,
    ) -> None:
        """``files``: what else is in its file system.  ``incoming``: it does not boot, but waits for another guest
        of the same making to be migrated into it (migration.py).  ``ipv6``: it has that, too, and talks by itself."""
        self.name = name
        self._incoming, self._ipv6 = incoming, ipv6
        self._nics = nics
        self._where = where
        self._http_bytes = http_bytes
        self._files = dict(files or {})
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self._agent: socket.socket | None = None
        self._unread = b""

    def __enter__(self) -> Guest:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start QEMU; the guest boots meanwhile.  Raises GuestUnavailable."""
        if not shutil.which(QEMU):
            raise GuestUnavailable(f"no {QEMU} here: install qemu-system-x86")
        image = guest_image()
        self._home = Path(tempfile.mkdtemp(prefix=f"{SCRATCH}{os.getpid()}-"))
        argv = self._command(image)
        with (self._home / "qemu.log").open("wb") as log:
            command = self._where.command(*argv) if self._where else argv
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._agent = self._connected_agent(self._process)

    @property
    def control(self) -> Path:
        """Where QEMU takes commands (qmp.py)."""
        return self._home / "control"

    @property
    def pid(self) -> int:
        """QEMU's."""
        assert self._process is not None, "the guest is not started"
        return self._process.pid

    def wait_ready(self, timeout: float = BOOT_SECONDS) -> float:
        """Wait until the addresses are set and commands may be run; returns the seconds the guest needed for that."""
        end = time.monotonic() + timeout
        while not (ready := re.search(rb"AGENT-UP (\S+)", self._line(end))):
            pass
        return float(ready[1])

    def run(self, command: str, *, timeout: float = COMMAND_SECONDS, check: bool = True) -> str:
        """Run a shell command in the guest; returns what it printed."""
        status, output = self.execute(command, timeout=timeout)
        if check and status:
            raise GuestFailed(f"{self.name}: {command}: status {status}: {output}")
        return output

    def execute(self, command: str, *, timeout: float = COMMAND_SECONDS) -> tuple[int, str]:
        """Run a shell command in the guest; returns its status and what it printed."""
        assert self._agent is not None, "the guest is not started"
        tag = str(next(self._numbers))
        self._agent.sendall(f"{tag} {base64.b64encode(command.encode()).decode()}\n".encode())
        end = time.monotonic() + timeout
        while True:
            found = re.search(rb"RESULT (\S+) (\d+) ?(\S*)", self._line(end, command))
            if found and found[1].decode() == tag:
                return int(found[2]), base64.b64decode(found[3]).decode(errors="replace")

    def stop(self) -> None:
        """End the guest and remove its files."""
        if self._agent is not None:
            self._agent.close()
            self._agent = None
        if self._process is not None:
            _end(self._process)
            self._process = None
            shutil.rmtree(self._home, ignore_errors=True)

    # ---- inside

    def _command(self, image: GuestImage) -> list[str]:
        serials = [
            *("-chardev", f"file,id=c0,path={self._home}/console.log", "-serial", "chardev:c0"),
            *("-chardev", f"socket,id=c1,path={self._home}/agent,server=on,wait=off"),
            *("-device", "virtio-serial-pci,id=ports,max_ports=2", "-device", "virtserialport,bus=ports.0,chardev=c1"),
        ]
        incoming = ["-incoming", "defer"] if self._incoming else []
        boot = ["-kernel", str(image.kernel), "-initrd", str(self._initrd(image)), "-append", self._append()]
        channels = [*serials, "-qmp", f"unix:{self.control},server=on,wait=off"]
        return [*BASE_COMMAND, *HEADLESS, "-name", self.name, *boot, *channels, *self._nic_arguments(), *incoming]

    def _append(self) -> str:
        words = [BASE_APPEND, *([] if self._ipv6 else ["ipv6.disable=1"]), f"dvt.name={self.name}"]
        addresses = [f"eth{index},{nic.address}" for index, nic in enumerate(self._nics) if nic.address]
        if addresses:
            words.append(f"dvt.net={';'.join(addresses)}")
        if self._http_bytes:
            words.append(f"dvt.http={self._http_bytes}")
        return " ".join(words)

    def _nic_arguments(self) -> list[str]:
        arguments: list[str] = []
        for index, nic in enumerate(self._nics):
            device = f"virtio-net-pci,id=nic{index},netdev=net{index},mac={nic.mac},romfile=,{LINK}"
            arguments += ["-netdev", nic.netdev(f"net{index}"), "-device", device]
        return arguments

    def _initrd(self, image: GuestImage) -> Path:
        """The common initramfs, followed by an archive of this guest's own files."""
        if not self._files:
            return image.initrd
        own = Archive()
        for name, content in self._files.items():
            own.add(name.lstrip("/"), content)
        path = self._home / "initrd.cpio"
        path.write_bytes(image.initrd.read_bytes() + own.finish())
        return path

    def _read(self, name: str) -> str:
        with contextlib.suppress(FileNotFoundError):
            return (self._home / name).read_text(errors="replace")
        return ""

    def _connected_agent(self, process: subprocess.Popen[bytes]) -> socket.socket:
        """Connect before the guest's agent speaks: what it says to nobody is lost."""
        end = time.monotonic() + START_SECONDS
        while process.poll() is None and time.monotonic() < end:
            agent = socket.socket(socket.AF_UNIX)
            try:
                agent.connect(str(self._home / "agent"))
            except OSError:
                agent.close()
                time.sleep(0.01)
            else:
                return agent
        raise GuestFailed(f"{self.name}: QEMU did not start: {self._read('qemu.log')}")

    def _line(self, end: float, asked: str = "boot") -> bytes:
        assert self._agent is not None
        while b"\n" not in self._unread:
            self._agent.settimeout(max(0.01, end - time.monotonic()))
            try:
                chunk = self._agent.recv(1 << 16)
            except TimeoutError:
                raise GuestFailed(
                    f"{self.name}: {asked}: no answer in time: {self._read('console.log')[-2000:]}"
                ) from None
            if not chunk:
                raise GuestFailed(
                    f"{self.name}: QEMU ended: {self._read('qemu.log')}{self._read('console.log')[-2000:]}"
                )
            self._unread += chunk
        line, _, self._unread = self._unread.partition(b"\n")
        return line


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
