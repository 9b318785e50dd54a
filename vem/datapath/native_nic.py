"""Opens what the user engine moves frames through: datagram wires, taps and raw sockets.

The result is a file descriptor with the options that src/user_api.h asks for; the C side only reads and writes it.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import socket
import stat
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from vem.datapath.engine import EngineError, Plug
from vem.datapath.kernel_nic import has_link
from vem.datapath.native import API

_SOL_PACKET = 263
_PACKET_ADD_MEMBERSHIP, _PACKET_AUXDATA, _PACKET_VNET_HDR = 1, 8, 15
_PACKET_QDISC_BYPASS, _PACKET_IGNORE_OUTGOING = 20, 23
_PACKET_MR_PROMISC = 1
_ETH_P_ALL = 3
_TUNSETIFF, _TUNSETOFFLOAD = 0x400454CA, 0x400454D0
_IFF_TAP, _IFF_NO_PI = 0x0002, 0x1000
_SIOCGIFFLAGS = 0x8913
_IFF_UP = 0x1
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33
_CLONE_NEWNET = 0x40000000
_BUFFER = 8 << 20
_NAME_MAX = 15
_UNIX_PATH_MAX = 107


@dataclass(slots=True)
class Nic:
    """An open NIC; close() undoes what open_nic did and leaves a netdevice as it was found."""

    kind: int
    """DVS_NIC_*."""
    fd: int
    peer: bytes = b""
    """Socket address that a wire sends to."""
    device: str = ""
    probe: socket.socket | None = None
    """A socket in the device's namespace, to ask for its flags."""
    undo: list[Callable[[], None]] = field(default_factory=list)

    def link_up(self) -> bool:
        """Carrier of the device; False when it is gone.  Wires and memory are always up."""
        if self.probe is None:
            return True
        request = struct.pack("16sh22x", self.device.encode(), 0)
        try:
            (flags,) = struct.unpack_from("H", fcntl.ioctl(self.probe, _SIOCGIFFLAGS, request), 16)
        except OSError:
            return False
        return bool(flags & _IFF_UP) and has_link(self.probe, self.device, flags)

    def close(self) -> None:
        """Idempotent."""
        while self.undo:
            self.undo.pop()()


def open_nic(plug: Plug) -> Nic:
    """Open it; EngineError names the device or wire and what is wrong with it."""
    openers = {
        "wire": _open_wire,
        "pair": _open_pair,
        "memory": _open_memory,
        "raw": _open_raw,
        "veth": _open_raw,
        "tap": _open_tap,
    }
    opener = openers.get(plug.kind)
    if opener is None:
        raise EngineError(f"port kind '{plug.kind}'", "is unknown to the user engine", f"use {', '.join(openers)}")
    try:
        with in_netns(plug.netns):
            return opener(plug)
    except OSError as problem:
        raise EngineError(f"{plug.kind} {plug.device or plug.local}", _explain(problem), _remedy(problem)) from problem


def _explain(problem: OSError) -> str:
    return os.strerror(problem.errno) if problem.errno else str(problem)


def _remedy(problem: OSError) -> str:
    if problem.errno in (errno.EPERM, errno.EACCES):
        return "run as root or with CAP_NET_ADMIN and CAP_NET_RAW"
    if problem.errno in (errno.ENODEV, errno.ENOENT):
        return "check the name and the network namespace"
    return ""


@contextlib.contextmanager
def in_netns(name: str) -> Iterator[None]:
    """Run the body in /run/netns/<name>; sockets opened there belong to it for ever.  "" = stay."""
    if not name:
        yield
        return
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _setns(f"/run/netns/{name}")
        try:
            yield
        finally:
            _setns(home)
    finally:
        os.close(home)


def _setns(target: str | int) -> None:
    fd = os.open(target, os.O_RDONLY | os.O_CLOEXEC) if isinstance(target, str) else target
    try:
        if ctypes.CDLL(None, use_errno=True).setns(fd, _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        if isinstance(target, str):
            os.close(fd)


def big_buffers(sock: socket.socket) -> None:
    """Make a socket's buffers as big as we may: beyond the system's limit as root, up to it otherwise."""
    for forced, plain in ((_SO_RCVBUFFORCE, socket.SO_RCVBUF), (_SO_SNDBUFFORCE, socket.SO_SNDBUF)):
        try:
            sock.setsockopt(socket.SOL_SOCKET, forced, _BUFFER)
        except PermissionError:
            sock.setsockopt(socket.SOL_SOCKET, plain, _BUFFER)


# --- wires and memory --------------------------------------------------------------------------------------------


def _open_memory(plug: Plug) -> Nic:
    return Nic(API["DVS_NIC_MEMORY"], -1)


def _open_pair(plug: Plug) -> Nic:
    """One end of a socket pair that somebody in this process made."""
    end = socket.socket(fileno=os.dup(int(plug.device)))
    return _wire(end, struct.pack("=H", socket.AF_UNIX))  # a connected socket takes no notice of the address


def _open_wire(plug: Plug) -> Nic:
    scheme, _, local = plug.local.partition(":")
    remote_scheme, _, remote = plug.remote.partition(":")
    if scheme != remote_scheme or scheme not in ("unix", "udp"):
        raise EngineError(
            f"wire {plug.local}",
            f"can't run to '{plug.remote}'",
            "write both ends as unix:/path or both as udp:address:port",
        )
    return _open_unix(local, remote) if scheme == "unix" else _open_udp(local, remote)


def _wire(sock: socket.socket, peer: bytes) -> Nic:
    sock.setblocking(False)
    big_buffers(sock)
    return Nic(API["DVS_NIC_WIRE"], sock.fileno(), peer, undo=[sock.close])


def _open_unix(local: str, remote: str) -> Nic:
    for path in (local, remote):
        if not path or len(path.encode()) > _UNIX_PATH_MAX:
            raise EngineError(f"wire unix:{path}", f"path must have 1 to {_UNIX_PATH_MAX} bytes", "use a shorter path")
    _remove_stale(local)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        sock.bind(local)
    except OSError:
        sock.close()
        raise
    nic = _wire(sock, struct.pack("=H", socket.AF_UNIX) + remote.encode() + b"\0")
    nic.undo.insert(0, lambda: _unlink(local))
    return nic


def _unlink(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def _remove_stale(path: str) -> None:
    """Remove the socket file of a process that is gone; a live one is left, and bind() will complain."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
        except OSError as problem:
            if problem.errno != errno.EPERM:  # connected to another: alive
                raise


def _udp_address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise EngineError(f"wire udp:{text}", "is malformed", "write it as udp:127.0.0.1:20001")
    return host, int(port)


def _open_udp(local: str, remote: str) -> Nic:
    host, port = _udp_address(remote)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.bind(_udp_address(local))
        peer = struct.pack("=H", socket.AF_INET) + struct.pack("!H4s8x", port, socket.inet_aton(host))
    except OSError:
        sock.close()
        raise
    return _wire(sock, peer)


# --- netdevices --------------------------------------------------------------------------------------------------


def _check_device(name: str) -> None:
    if not name or len(name) > _NAME_MAX:
        raise EngineError(f"device '{name}'", f"a device name has 1 to {_NAME_MAX} characters")


def _open_raw(plug: Plug) -> Nic:
    _check_device(plug.device)
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    try:
        for option in (_PACKET_VNET_HDR, _PACKET_AUXDATA, _PACKET_IGNORE_OUTGOING, _PACKET_QDISC_BYPASS):
            sock.setsockopt(_SOL_PACKET, option, 1)
        big_buffers(sock)
        sock.setblocking(False)
        index = socket.if_nametoindex(plug.device)
        membership = struct.pack("iHH8x", index, _PACKET_MR_PROMISC, 0)
        sock.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, membership)
        sock.bind((plug.device, _ETH_P_ALL))
    except OSError:
        sock.close()
        raise
    return Nic(API["DVS_NIC_RAW"], sock.fileno(), device=plug.device, probe=sock, undo=[sock.close])


def _open_tap(plug: Plug) -> Nic:
    """Hold the tap ourselves; if another does (a QEMU process), sit on its device instead."""
    _check_device(plug.device)
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", plug.device.encode(), _IFF_TAP | _IFF_NO_PI))
        fcntl.ioctl(fd, _TUNSETOFFLOAD, 0)
    except OSError as problem:
        os.close(fd)
        if problem.errno == errno.EBUSY:
            return _open_raw(plug)
        raise
    probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    return Nic(API["DVS_NIC_TAP"], fd, device=plug.device, probe=probe, undo=[probe.close, lambda: os.close(fd)])
