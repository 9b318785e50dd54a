"""Rows on the kernel engine: dry (BPF_PROG_TEST_RUN) and for real, between taps of a private namespace.

What a tap's file descriptor gives is what a hypervisor would give its guest, so the exact bytes are compared, and that
no other port was given anything.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct

import pytest

from tests.kernel.rig import Switch
from tests.rows.backend import BackendKind, Delivered, delivered, with_nic
from tests.support.netns import Lab, Namespace
from vem.datapath.engine import Plug
from vem.datapath.image import Fate, Image

TUNSETIFF, TUNSETOFFLOAD = 0x400454CA, 0x400454D0
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x2, 0x1000, 0x4000
TUN_F_CSUM, TUN_F_TSO4, TUN_F_TSO6 = 1, 2, 4
MTU = 9200
VNET = struct.Struct("<BBHHHH")
"""struct virtio_net_hdr: flags, gso_type, hdr_len, gso_size, csum_start, csum_offset."""
NEEDS_CSUM, GSO_TCPV4 = 1, 1
TCP_CHECKSUM = 16


class TapNic:
    """The guest's end of a tap, as a hypervisor holds it: with offload headers."""

    def __init__(self, where: Namespace, name: str) -> None:
        self.name = name
        with where.enter():
            self.fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR
            fcntl.ioctl(self.fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
        fcntl.ioctl(self.fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6)

    def write(self, frame: bytes, gso: int = 0) -> None:
        """Send as the guest; ``gso`` makes an untagged TCP/IPv4 frame a superframe.  OSError if the kernel refuses."""
        header = VNET.pack(NEEDS_CSUM, GSO_TCPV4, 54, gso, 34, TCP_CHECKSUM) if gso else bytes(VNET.size)
        os.write(self.fd, header + frame)

    def read(self) -> bytes | None:
        """The next frame for the guest, or None."""
        try:
            return os.read(self.fd, 70000)[VNET.size :]
        except OSError as error:
            if error.errno == errno.EAGAIN:
                return None
            raise

    def close(self) -> None:
        os.close(self.fd)


class DryRun:
    """Engine.test: the loaded program, nothing delivered."""

    def __init__(self) -> None:
        self._switch = Switch("rows")
        self.engine = self._switch.open()

    def prepare(self, image: Image) -> None:
        """Nothing is plugged."""

    def send(self, lport: int, frame: bytes, gso: int) -> tuple[Fate | None, Delivered]:
        fate = self.engine.test(lport, frame, gso)
        return fate, delivered(fate)

    def close(self) -> None:
        self.engine.close(keep=False)


class Taps:
    """A tap for every lport that rows ever use; made once."""

    def __init__(self) -> None:
        self._lab = Lab()
        self._host = self._lab.namespace("rows")
        self._taps: dict[int, TapNic] = {}
        self._switch = Switch("rows")
        self.engine = self._switch.open()

    def prepare(self, image: Image) -> None:
        for lport in with_nic(image):
            if lport not in self._taps:
                self._taps[lport] = tap = TapNic(self._host, f"tap{lport}")
                self._host.up(tap.name, mtu=MTU)
                self.engine.plug(lport, Plug("tap", tap.name, self._host.name))

    def send(self, lport: int, frame: bytes, gso: int) -> tuple[Fate | None, Delivered]:
        assert self._collect() == [], "frames that nobody sent"
        self._taps[lport].write(frame, gso)  # returns when the kernel has put every copy into its tap
        return None, self._collect()

    def _collect(self) -> list[tuple[int, bytes]]:
        found = []
        for lport, tap in self._taps.items():
            while (frame := tap.read()) is not None:
                found.append((lport, frame))
        return found

    def close(self) -> None:
        self.engine.close(keep=False)
        for tap in self._taps.values():
            tap.close()
        self._lab.close()


KERNEL = (pytest.mark.kernel,)
BACKENDS = [
    BackendKind("kernel-testrun", "kernel", DryRun, service_tags=False, short_frames=False, marks=KERNEL),
    BackendKind("kernel-taps", "kernel", Taps, short_frames=False, marks=KERNEL),
]
"""Neither takes frames below an Ethernet header: the kernel refuses them (tests/kernel/test_short_frames.py)."""
