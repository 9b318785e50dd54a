"""Hears of link changes from the kernel at once (rtnetlink), so that failover need not wait for the next look."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Iterable, Iterator

import structlog

from vem.datapath.engine import EngineError
from vem.datapath.kernel_nic import inside

_RTMGRP_LINK = 1
_RTM_NEWLINK, _RTM_DELLINK, _IFLA_IFNAME = 16, 17, 3
_HEADER, _LINK, _ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=BxHiII"), struct.Struct("=HH")
_BUFFER = 1 << 16
log = structlog.get_logger(__name__)


class LinkWatch:
    """``changed`` gets the names of devices about which the kernel said something."""

    def __init__(self, changed: Callable[[set[str]], None]) -> None:
        self._changed = changed
        self._sockets: dict[str, socket.socket] = {}

    async def follow(self, namespaces: Iterable[str]) -> None:
        """Listen in exactly these network namespaces ("" = the agent's own)."""
        wanted = set(namespaces)
        for name in self._sockets.keys() - wanted:
            self._drop(name)
        for name in wanted - self._sockets.keys():
            try:
                self._sockets[name] = await asyncio.to_thread(_open, name)
            except (OSError, EngineError) as error:
                log.info("link changes are polled only", netns=name, reason=str(error))
                continue
            asyncio.get_running_loop().add_reader(self._sockets[name], self._read, name)

    def close(self) -> None:
        """Stop listening."""
        for name in list(self._sockets):
            self._drop(name)

    def _drop(self, name: str) -> None:
        asyncio.get_running_loop().remove_reader(self._sockets[name])
        self._sockets.pop(name).close()

    def _read(self, name: str) -> None:
        names: set[str] = set()
        with contextlib.suppress(BlockingIOError):
            while True:
                try:
                    names |= set(changed_links(self._sockets[name].recv(_BUFFER)))
                except BlockingIOError:
                    raise
                except OSError:  # ENOBUFS: some were lost, and the next poll sees what
                    break
        if names:
            self._changed(names)


def _open(name: str) -> socket.socket:
    with inside(name):
        made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
    try:
        made.bind((0, _RTMGRP_LINK))
    except OSError:
        made.close()
        raise
    return made


def changed_links(data: bytes) -> Iterator[str]:
    """Device names in a datagram of rtnetlink link messages."""
    while len(data) >= _HEADER.size:
        length, kind, *_ = _HEADER.unpack_from(data)
        if length < _HEADER.size:
            return
        if kind in (_RTM_NEWLINK, _RTM_DELLINK):
            yield from _names(data[_HEADER.size + _LINK.size : length])
        data = data[(length + 3) & ~3 :]


def _names(attributes: bytes) -> Iterator[str]:
    while len(attributes) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(attributes)
        if length < _ATTRIBUTE.size:
            return
        if kind == _IFLA_IFNAME:
            yield attributes[_ATTRIBUTE.size : length].rstrip(b"\0").decode(errors="replace")
        attributes = attributes[(length + 3) & ~3 :]


__all__ = ["LinkWatch", "changed_links"]
