"""NICs as the kernel engine needs them: their index, flags and carrier, in whichever network namespace they are.

Plain ioctls on a socket born in the namespace: no netlink library, no state.  The calling thread visits a namespace and
comes back; other threads notice nothing.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vem.datapath.engine import EngineError, Plug

RUN_NETNS = Path("/run/netns")

_CLONE_NEWNET = 0x40000000
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _SIOCGIFINDEX, _SIOCETHTOOL = 0x8913, 0x8914, 0x8933, 0x8946
_SIOCGIFMTU, _SIOCSIFMTU = 0x8921, 0x8922
_ETHTOOL_GLINK = 0xA
_IFF_UP, _IFF_RUNNING, _IFF_PROMISC = 0x1, 0x40, 0x100
_TUNSETIFF, _TUNSETPERSIST = 0x400454CA, 0x400454CB
_IFF_TAP, _IFF_NO_PI = 0x2, 0x1000
_IFREQ = struct.Struct("16si20x")
_NAME_MAX = 15
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Changed:
    """What was changed on a NIC, to be undone when it is unplugged."""

    created: bool = False
    """A tap that was not there."""
    up: bool = False
    promiscuous: bool = False
    ipv6_off: bool = False


def namespace_id(netns: str) -> int:
    """Which namespace a name stands for: the same number, the same namespace.  "" is the caller's own."""
    path = RUN_NETNS / netns if netns else Path("/proc/thread-self/ns/net")
    try:
        return path.stat().st_ino
    except OSError as error:
        raise EngineError(f"network namespace {netns}", "does not exist", "see ip netns list") from error


@contextlib.contextmanager
def inside(netns: str) -> Iterator[None]:
    """Move the calling thread into a named namespace for a while; "" stays."""
    if not netns:
        yield
        return
    with contextlib.ExitStack() as stack:
        try:
            target = os.open(RUN_NETNS / netns, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise EngineError(f"network namespace {netns}", "does not exist", "see ip netns list") from error
        stack.callback(os.close, target)
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        stack.callback(os.close, home)
        _setns(target, netns)
        stack.callback(_setns, home, "of this process")
        yield


def _setns(fd: int, netns: str) -> None:
    if _libc.setns(fd, _CLONE_NEWNET):
        raise EngineError(f"network namespace {netns}", f"entering: {os.strerror(ctypes.get_errno())}", "run as root")


def _request(device: str, command: int, value: int = 0) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        answer = fcntl.ioctl(control, command, _IFREQ.pack(device.encode(), value))
    return int(_IFREQ.unpack(answer)[1])


def mtu(plug: Plug) -> int:
    """The NIC's largest payload, in bytes; EngineError when it is not there."""
    with inside(plug.netns):
        try:
            return _request(plug.device, _SIOCGIFMTU)
        except OSError as error:
            raise EngineError(f"device {plug.device}", f"MTU: {error.strerror}", "is it there?") from error


def set_mtu(plug: Plug, value: int) -> None:
    """EngineError when the NIC refuses it."""
    with inside(plug.netns):
        try:
            _request(plug.device, _SIOCSIFMTU, value)
        except OSError as error:
            remedy = "lower `system mtu`, or use a NIC that can"
            raise EngineError(f"device {plug.device}", f"MTU {value}: {error.strerror}", remedy) from error


def ifindex(device: str) -> int:
    """The NIC's index in the current namespace; 0 when there is none of that name."""
    try:
        return _request(device, _SIOCGIFINDEX)
    except OSError:
        return 0


def carrier(device: str, index: int) -> bool:
    """Whether that NIC, and not another that took its name, is up and has a carrier."""
    try:
        flags = _request(device, _SIOCGIFFLAGS) & 0xFFFF
    except OSError:
        return False
    if not flags & _IFF_UP or ifindex(device) != index:
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        return has_link(control, device, flags)


def has_link(control: socket.socket, device: str, flags: int) -> bool:
    """By the driver, which knows at once; IFF_RUNNING, which follows with a delay, where the driver can't say.

    ``control``: any socket made in the device's namespace.
    """
    answer = (ctypes.c_uint32 * 2)(_ETHTOOL_GLINK, 0)
    request = struct.pack("16sP16x", device.encode(), ctypes.addressof(answer))
    try:
        fcntl.ioctl(control, _SIOCETHTOOL, request)
    except OSError:
        return bool(flags & _IFF_RUNNING)
    return bool(answer[1])


def prepare(device: str, kind: str) -> Changed:
    """Make a NIC ready to be a port: there (taps), silent, up, promiscuous (raw).  What was so already is not noted."""
    if len(device.encode()) > _NAME_MAX or not device:
        raise EngineError(f"NIC {device!r}", f"a NIC's name has 1 to {_NAME_MAX} bytes")
    created = False
    if not ifindex(device):
        if kind != "tap":
            raise EngineError(f"NIC {device}", "does not exist")
        _create_tap(device)
        created = True
    try:
        ipv6_off = _switch_ipv6(device, off=True)
        flags = _request(device, _SIOCGIFFLAGS) & 0xFFFF
        wanted = flags | _IFF_UP | (_IFF_PROMISC if kind == "raw" else 0)
        if wanted != flags:
            _request(device, _SIOCSIFFLAGS, wanted)
    except OSError as error:
        raise EngineError(f"NIC {device}", f"setting it up: {error.strerror}") from error
    added = wanted & ~flags
    return Changed(created, bool(added & _IFF_UP), bool(added & _IFF_PROMISC), ipv6_off)


def restore(device: str, changed: Changed) -> None:
    """Undo prepare(), as far as the NIC is still there."""
    with contextlib.suppress(OSError):
        added = (_IFF_UP if changed.up else 0) | (_IFF_PROMISC if changed.promiscuous else 0)
        if added:
            _request(device, _SIOCSIFFLAGS, _request(device, _SIOCGIFFLAGS) & 0xFFFF & ~added)
        if changed.ipv6_off:
            _switch_ipv6(device, off=False)
        if changed.created:
            _remove_tap(device)


def _switch_ipv6(device: str, *, off: bool) -> bool:
    """The host must not speak on a port's NIC by itself (router solicitations, MLD); True if that was a change."""
    path = Path("/proc/sys/net/ipv6/conf", device, "disable_ipv6")
    try:
        if path.read_text().strip() == str(int(off)):
            return False
        path.write_text(str(int(off)))
    except OSError:
        return False  # a kernel without IPv6
    return True


def _tap(device: str) -> int:
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", device.encode(), _IFF_TAP | _IFF_NO_PI))
    except OSError:
        os.close(fd)
        raise
    return fd


def _create_tap(device: str) -> None:
    try:
        fd = _tap(device)
        fcntl.ioctl(fd, _TUNSETPERSIST, 1)
        os.close(fd)
    except OSError as error:
        raise EngineError(f"tap {device}", f"creating it: {error.strerror}") from error


def _remove_tap(device: str) -> None:
    """Not while a guest holds it: then it is the guest's."""
    try:
        fd = _tap(device)
    except OSError as error:
        if error.errno == errno.EBUSY:
            return
        raise
    fcntl.ioctl(fd, _TUNSETPERSIST, 0)
    os.close(fd)
