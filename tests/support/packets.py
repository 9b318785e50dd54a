"""Raw frames in and out of a link of a namespace.

The kernel strips the outer 802.1Q tag of a received frame into metadata; `FrameSocket.receive` puts it back, so that
what a test sees is what was on the wire.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from types import TracebackType

from tests.support.netns import Namespace

SOL_PACKET = 263
PACKET_ADD_MEMBERSHIP, PACKET_AUXDATA, PACKET_IGNORE_OUTGOING = 1, 8, 23
PACKET_MR_PROMISC = 1
SO_RCVBUFFORCE = 33
ETH_P_ALL = 3
STATUS_VLAN_VALID, STATUS_VLAN_TPID_VALID = 0x10, 0x40
AUXDATA = struct.Struct("IIIHHHH")
MAX_FRAME = 65600


class FrameSocket:
    """Sends and receives whole Ethernet frames on one link, promiscuously.

    With ``leaving`` it hears instead what the host sends out of the link, as of now.
    """

    def __init__(self, where: Namespace, link: str, *, leaving: bool = False) -> None:
        self._leaving = leaving
        with where.enter():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)  # hears nothing until it is bound
            self._socket.bind((link, ETH_P_ALL))
            promiscuous = struct.pack("IHH8s", socket.if_nametoindex(link), PACKET_MR_PROMISC, 0, b"")
        self._socket.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, promiscuous)
        self._socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        if not leaving:
            self._socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        self._socket.setblocking(False)

    def __enter__(self) -> FrameSocket:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, frame: bytes) -> None:
        self._socket.send(frame)

    def receive(self) -> bytes | None:
        """The next frame that waits, tag restored; None when there is none."""
        while True:
            try:
                data, ancillary, _, address = self._socket.recvmsg(MAX_FRAME, socket.CMSG_SPACE(AUXDATA.size))
            except BlockingIOError:
                return None
            if (address[2] == socket.PACKET_OUTGOING) == self._leaving:
                break
        for level, kind, value in ancillary:
            if level == SOL_PACKET and kind == PACKET_AUXDATA:
                return _with_tag(data, value)
        return data

    def waiting(self) -> list[bytes]:
        """All frames that came so far and were not taken yet."""
        return list(iter(self.receive, None))

    def collect(self, cookie: bytes, seconds: float, *, enough: int | None = None) -> list[bytes]:
        """Frames that contain the cookie, within that time or until there are enough."""
        found: list[bytes] = []
        end, poll = time.monotonic() + seconds, select.poll()
        poll.register(self, select.POLLIN)
        while (left := end - time.monotonic()) > 0 and (enough is None or len(found) < enough):
            poll.poll(left * 1000)
            while (frame := self.receive()) is not None:
                if cookie in frame:
                    found.append(frame)
        return found


def _with_tag(frame: bytes, auxdata: bytes) -> bytes:
    status, _, _, _, _, tci, tpid = AUXDATA.unpack_from(auxdata)
    if not status & STATUS_VLAN_VALID:
        return frame
    ether_type = tpid if status & STATUS_VLAN_TPID_VALID else 0x8100
    return frame[:12] + struct.pack("!HH", ether_type, tci) + frame[12:]
