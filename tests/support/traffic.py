"""UDP streams with sequence numbers between two namespaces: what was lost, doubled, reordered, and how fast it went.

with Receiver(b, "10.0.0.2") as receiver:
    sent = send(a, "10.0.0.2", rate=50_000, seconds=3)
    assert receiver.finish().received == sent.sent
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType

from tests.support.netns import Namespace
from tests.support.processes import PATIENCE, wait_until

SOURCE = Path(__file__).with_name("traffic.c")
BUILD = Path(__file__).parents[2] / "build" / "tests"
PORT = 5001
COUNT = struct.Struct("=Q")
SMALL = 18
"""Bytes of payload that make a frame of 60 bytes, the smallest without padding."""


@dataclass(frozen=True)
class Sent:
    sent: int
    refused: int
    """Times the sending machine had no room; nothing was sent then, and nothing lost."""
    seconds: float


@dataclass(frozen=True)
class Received:
    received: int
    duplicates: int
    reordered: int
    highest: int
    """One above the highest sequence number seen."""
    seconds: float
    """From the first datagram to the last."""

    @property
    def rate(self) -> float:
        """Datagrams a second."""
        return self.received / self.seconds if self.seconds else 0.0


@cache
def program() -> Path:
    """The compiled traffic program; built when it is older than its source."""
    built = BUILD / "traffic"
    if not built.exists() or built.stat().st_mtime < SOURCE.stat().st_mtime:
        BUILD.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=BUILD) as scratch:
            fresh = Path(scratch, "traffic")
            subprocess.run([os.environ.get("CC", "cc"), "-O2", "-Wall", "-Wextra", "-o", fresh, SOURCE], check=True)
            fresh.rename(built)
    return built


def endpoint(address: str, port: int) -> str:
    """An IPv4 address with the port, or "unix:PATH" as it is."""
    return address if address.startswith("unix:") else f"udp:{address}:{port}"


def _command(where: Namespace | None, cpu: int | None, *argv: str) -> list[str]:
    pinned = ["taskset", "--cpu-list", str(cpu)] if cpu is not None else []
    command = [*pinned, str(program()), *argv]
    return where.command(*command) if where else command


class Receiver:
    """Counts from the moment it is made until `finish`."""

    def __init__(
        self,
        where: Namespace | None,
        address: str,
        *,
        port: int = PORT,
        header_bytes: int = 0,
        cpu: int | None = None,
    ) -> None:
        command = _command(where, cpu, "receive", endpoint(address, port), str(header_bytes))
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            self._process.wait()
            raise AssertionError(f"{' '.join(command)} did not start")

    def __enter__(self) -> Receiver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()

    def finish(self) -> Received:
        """Stop once nothing comes any more."""
        self._process.terminate()
        output, _ = self._process.communicate(timeout=PATIENCE)
        return Received(**json.loads(output))


class Sender:
    """A stream that runs beside the test."""

    def __init__(
        self,
        where: Namespace | None,
        to: str,
        *,
        rate: int = 0,
        seconds: float = 1.0,
        size: int = SMALL,
        port: int = PORT,
        header: bytes = b"",
        cpu: int | None = None,
    ) -> None:
        command = _command(where, cpu, "send", endpoint(to, port), str(rate), str(seconds), str(size), header.hex())
        self._told = os.memfd_create("sent")
        os.truncate(self._told, COUNT.size)
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=[self._told],
            env={**os.environ, "SENT_FD": str(self._told)},
        )
        self._limit = seconds + PATIENCE

    def __enter__(self) -> Sender:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()
        os.close(self._told)

    @property
    def sent(self) -> int:
        """Datagrams until now."""
        return int(COUNT.unpack(os.pread(self._told, COUNT.size, 0))[0])

    def wait_for(self, more: int) -> None:
        """Return when so many more have been sent than before this call."""
        enough = self.sent + more
        wait_until(lambda: self.sent >= enough or self._process.poll() is not None, f"{more} more datagrams are sent")
        assert self.sent >= enough, "the sender ended too soon"

    def stop(self) -> None:
        """End before the time is up."""
        self._process.terminate()

    def finish(self) -> Sent:
        """Wait for its end."""
        output, _ = self._process.communicate(timeout=self._limit)
        assert self._process.returncode == 0, "the sender failed"
        return Sent(**json.loads(output))


def send(
    where: Namespace | None,
    to: str,
    *,
    rate: int = 0,
    seconds: float = 1.0,
    size: int = SMALL,
    port: int = PORT,
    header: bytes = b"",
    cpu: int | None = None,
) -> Sent:
    """Send and wait for the end."""
    with Sender(where, to, rate=rate, seconds=seconds, size=size, port=port, header=header, cpu=cpu) as sender:
        return sender.finish()
