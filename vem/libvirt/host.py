"""Calls to this host's agent, for the hook and the `ovs-vsctl` stand-in: the Host service of manager.proto.

Half of the calls that libvirt makes need nothing of the agent, and gRPC takes longer to load than they take: it is
loaded when the first call is made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dvswitch.errors import DvsError, Unavailable
from vem.libvirt.notes import PortNote

if TYPE_CHECKING:
    import grpc

    from dvswitch.v1 import manager_pb2 as manager
    from dvswitch.v1 import types_pb2 as pb

SLACK = 5.0
"""Seconds that a call may take beyond what the agent is asked to wait."""
_DEVICES = Path("/sys/class/net")


class AgentGone(Unavailable):
    """Nobody answers at the agent's socket."""


@dataclass(frozen=True, slots=True)
class HostAgent:
    """The agent at a socket.  Calls raise DvsError with the agent's own words, AgentGone if it is not there."""

    socket: Path

    def attach(self, note: PortNote, seconds: float) -> manager.AttachReply:
        """Plug a device in (or let it go live that was prepared), and wait at most so long for the supervisor."""
        from dvswitch.v1 import manager_pb2 as manager

        request = manager.AttachRequest(
            nic=_nic(note),
            mac=note.mac,
            profile=note.profile,
            plug=_plug(note.device),
            prepare=note.prepare,
            wait_ms=max(1, round(seconds * 1000)),
        )
        reply: manager.AttachReply = self._call(lambda stub: stub.Attach(request, timeout=seconds + SLACK))
        return reply

    def detach(self, note: PortNote) -> bool:
        """Unplug it; False if it was not there."""
        from dvswitch.v1 import manager_pb2 as manager

        request = manager.DetachRequest(nic=_nic(note))
        reply: manager.DetachReply = self._call(lambda stub: stub.Detach(request, timeout=SLACK))
        return reply.was_attached

    def port(self, device: str) -> manager.HostPort | None:
        """The port that a device is plugged into."""
        from dvswitch.v1 import manager_pb2 as manager

        request = manager.StatusRequest()
        reply: manager.StatusReply = self._call(lambda stub: stub.Status(request, timeout=SLACK))
        return next((port for port in reply.ports if port.adapter == device), None)

    def may_take(self, vm: str, uuid: str, index: int, mac: str, profile: str, seconds: float) -> manager.MayTakeReply:
        """Whether this host could run a NIC; an error that is_away() if the supervisor can't be asked."""
        from dvswitch.v1 import manager_pb2 as manager
        from dvswitch.v1 import types_pb2 as pb

        nic = pb.Nic(vm=vm, vm_uuid=uuid, index=index)
        request = manager.MayTakeRequest(nic=nic, mac=mac, profile=profile, wait_ms=round(seconds * 1000))
        reply: manager.MayTakeReply = self._call(lambda stub: stub.MayTake(request, timeout=seconds + SLACK))
        return reply

    def _call(self, call: Callable[[Any], Any]) -> Any:
        import grpc

        from dvswitch.client import host_stub, open_channel

        with open_channel(f"unix:{self.socket}") as channel:
            try:
                return call(host_stub(channel))
            except grpc.RpcError as error:
                raise self._error_of(error) from error

    def _error_of(self, error: grpc.RpcError) -> DvsError:
        import grpc

        code, details = error.code(), str(error.details() or "")
        if code is grpc.StatusCode.UNAVAILABLE and "connect" in details:
            return AgentGone(f"agent {self.socket}", "nobody answers there", "start 'vem run' on this host")
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return AgentGone(f"agent {self.socket}", "did not answer in time")
        return _Told(details or code.name, code is grpc.StatusCode.UNAVAILABLE)


class _Told(Unavailable):
    """The agent's own line; ``away``: it could not find out, which is no refusal."""

    def __init__(self, line: str, away: bool) -> None:
        super().__init__("", line)
        self.away = away

    def __str__(self) -> str:
        return self.problem


def is_away(error: DvsError) -> bool:
    """Whether an error of a call means that the supervisor could not be asked."""
    return isinstance(error, _Told) and error.away


def _nic(note: PortNote) -> pb.Nic:
    from dvswitch.v1 import types_pb2 as pb

    return pb.Nic(vm=note.vm, vm_uuid=note.vm_uuid, index=note.index, adapter=note.device)


def _plug(device: str) -> pb.Plug:
    """QEMU's taps are taps; what else libvirt may make (a container's veth) is taken as it is."""
    from dvswitch.v1 import types_pb2 as pb

    is_tap = (_DEVICES / device / "tun_flags").exists()
    return pb.Plug(tap=device) if is_tap else pb.Plug(raw=device)


__all__ = ["AgentGone", "HostAgent", "is_away"]
