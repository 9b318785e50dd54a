"""Network namespaces, veths and taps for tests that need root.

A `Lab` owns every namespace it makes.  All links are born inside namespaces of the lab, never in the machine's own, so
that deleting the namespaces deletes everything; a lab whose process was killed is swept by the next one.  Programs are
started inside a namespace with nsenter rather than `ip netns exec`, because the latter remounts /sys and would hide
pinned BPF objects.

    with Lab() as lab:
        host, guest = lab.namespace("host"), lab.namespace("guest")
        lab.veth(host, "vm1", guest, "eth0", peer_mac="02:00:00:00:00:01", peer_address="10.0.0.1/24")
        guest.run("ping", "-c1", "10.0.0.2")
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import pytest

RUN_NETNS = Path("/run/netns")
PREFIX = "dvt"
CLONE_NEWNET = 0x40000000
COMMAND_SECONDS = 120.0
"""Until a command counts as hung."""

_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count(1)


class CommandFailed(AssertionError):
    """A set-up command of a test failed; the text is the command and what it printed."""


def run(*argv: str, check: bool = True, timeout: float = COMMAND_SECONDS) -> str:
    """Run a command and return its standard output."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)
    if check and done.returncode:
        raise CommandFailed(f"{' '.join(argv)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


class Namespace:
    """A named network namespace; made and deleted by its `Lab`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = RUN_NETNS / name

    def command(self, *argv: str) -> list[str]:
        """The command line that runs argv inside."""
        return ["nsenter", f"--net={self.path}", "--", *argv]

    def run(self, *argv: str, check: bool = True, timeout: float = COMMAND_SECONDS) -> str:
        """Run a command inside and return its standard output."""
        return run(*self.command(*argv), check=check, timeout=timeout)

    @contextlib.contextmanager
    def enter(self) -> Iterator[None]:
        """Move the calling thread inside: sockets opened meanwhile belong to this namespace for ever."""
        before, inside = os.open("/proc/thread-self/ns/net", os.O_RDONLY), os.open(self.path, os.O_RDONLY)
        try:
            _setns(inside)
            try:
                yield
            finally:
                _setns(before)
        finally:
            os.close(before)
            os.close(inside)

    def write_sysctl(self, key: str, value: str) -> None:
        """Set a net.* sysctl inside, e.g. "net.ipv4.ip_forward"; absent ones are left out."""
        with self.enter(), contextlib.suppress(FileNotFoundError):
            Path("/proc/sys", *key.split(".")).write_text(value)

    def up(self, link: str, *, mac: str = "", address: str = "", mtu: int = 0) -> None:
        """Set a link up, after giving it what is named."""
        if mac:
            self.run("ip", "link", "set", link, "address", mac)
        if mtu:
            self.run("ip", "link", "set", link, "mtu", str(mtu))
        if address:
            self.run("ip", "address", "add", address, "dev", link)
        self.run("ip", "link", "set", link, "up")

    def delete_link(self, link: str) -> None:
        """Delete a link; one that is gone already is no error."""
        self.run("ip", "link", "delete", link, check=False)

    def if_index(self, link: str) -> int:
        """The link's index inside."""
        with self.enter():
            return socket.if_nametoindex(link)


class Lab:
    """A set of namespaces that vanish together."""

    def __init__(self) -> None:
        self._tag = f"{PREFIX}{os.getpid()}-{next(_numbers)}"
        self._namespaces: list[Namespace] = []

    def __enter__(self) -> Lab:
        """Skips the test where there are no namespaces to be had."""
        if not shutil.which("ip"):
            pytest.skip("not installed: iproute2")
        sweep()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Delete every namespace of this lab, and with them their links."""
        while self._namespaces:
            run("ip", "netns", "delete", self._namespaces.pop().name, check=False)

    def namespace(self, label: str) -> Namespace:
        """Make a namespace with loopback up and IPv6 (which would talk by itself) off."""
        made = Namespace(f"{self._tag}-{label}")
        run("ip", "netns", "add", made.name)
        self._namespaces.append(made)
        made.write_sysctl("net.ipv6.conf.all.disable_ipv6", "1")
        made.write_sysctl("net.ipv6.conf.default.disable_ipv6", "1")
        made.run("ip", "link", "set", "lo", "up")
        return made

    def veth(
        self,
        near: Namespace,
        near_link: str,
        far: Namespace,
        far_link: str,
        *,
        peer_mac: str = "",
        peer_address: str = "",
        mtu: int = 0,
    ) -> None:
        """Make a veth pair, both ends up; the peer_* values are given to the far end."""
        near.run(*f"ip link add {near_link} type veth peer name {far_link} netns {far.name}".split())
        near.up(near_link, mtu=mtu)
        far.up(far_link, mac=peer_mac, address=peer_address, mtu=mtu)

    def tap(self, where: Namespace, link: str, *, mtu: int = 0, vnet_hdr: bool = True) -> None:
        """Make a persistent tap and set it up."""
        where.run(*f"ip tuntap add {link} mode tap".split(), *(["vnet_hdr"] if vnet_hdr else []))
        where.up(link, mtu=mtu)

    def bridge(self, where: Namespace, name: str, *members: str) -> None:
        """Make a Linux bridge (without VLANs) of the named links."""
        where.run(*f"ip link add {name} address 02:00:00:00:ff:01 type bridge".split())
        for member in members:
            where.run("ip", "link", "set", member, "master", name)
        where.run("ip", "link", "set", name, "up")


def sweep() -> None:
    """Delete namespaces that a killed test run left behind."""
    for path in RUN_NETNS.glob(f"{PREFIX}*-*"):
        owner = path.name[len(PREFIX) :].split("-")[0]
        if owner.isdigit() and not Path("/proc", owner).exists():
            run("ip", "netns", "delete", path.name, check=False)


def _setns(fd: int) -> None:
    if _libc.setns(fd, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


if sys.platform != "linux":
    raise ImportError("network namespaces need Linux")
