"""The Host service on the agent's unix socket: what `vem attach`, hooks and plugins on this host call.

A thin edge: protobuf in, attaching.py, protobuf out; DvsErrors become gRPC statuses whose details are the error's line.
Whoever may open the socket may plug NICs: it is 0600 in a directory that is 0700.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, NoReturn

import grpc

from dvswitch import __version__
from dvswitch.client import check_address
from dvswitch.errors import Conflict, DvsError, InvalidValue, NotFound, StorageError, Unavailable
from dvswitch.mac import MacAddress
from dvswitch.v1 import manager_pb2 as manager
from dvswitch.v1 import manager_pb2_grpc as manager_grpc
from vem.agent import convert
from vem.agent.agent import Agent
from vem.agent.attaching import DEFAULT_WAIT, Attaching, AttachRequest, PortState
from vem.agent.status import status_of
from vem.datapath.engine import EngineError

_STATES = {
    PortState.PENDING: manager.AttachReply.PENDING,
    PortState.FORWARDING: manager.AttachReply.FORWARDING,
    PortState.BLOCKED: manager.AttachReply.BLOCKED,
    PortState.PREPARED: manager.AttachReply.PREPARED,
}
_CODES: tuple[tuple[type[DvsError], grpc.StatusCode], ...] = (
    (InvalidValue, grpc.StatusCode.INVALID_ARGUMENT),
    (NotFound, grpc.StatusCode.NOT_FOUND),
    (Unavailable, grpc.StatusCode.UNAVAILABLE),
    (Conflict, grpc.StatusCode.FAILED_PRECONDITION),
    (EngineError, grpc.StatusCode.FAILED_PRECONDITION),
    (StorageError, grpc.StatusCode.INTERNAL),
)


class HostService(manager_grpc.HostServicer):
    """manager.proto Host."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._attaching = Attaching(agent)

    async def Attach(self, request: manager.AttachRequest, context: Any) -> manager.AttachReply:
        """Plug a NIC in."""
        try:
            outcome = await self._attaching.attach(_attach_from(request))
        except DvsError as error:
            await _abort(context, error)
        return manager.AttachReply(
            veth=outcome.veth, state=_STATES[outcome.state], detail=outcome.detail, generation=outcome.generation
        )

    async def Detach(self, request: manager.DetachRequest, context: Any) -> manager.DetachReply:
        """Unplug a NIC."""
        nic = convert.nic_from(request.nic) if request.HasField("nic") else None
        try:
            if nic is None and not request.veth:
                raise InvalidValue("detach", "names neither a NIC nor a vEth", "give --vm and --nic, or --veth-number")
            was_attached = await self._attaching.detach(nic, request.veth)
        except DvsError as error:
            await _abort(context, error)
        return manager.DetachReply(was_attached=was_attached)

    async def MayTake(self, request: manager.MayTakeRequest, context: Any) -> manager.MayTakeReply:
        """What the supervisor says of a NIC that is not here yet."""
        seconds = request.wait_ms / 1000 or DEFAULT_WAIT
        try:
            mac = str(MacAddress.station(request.mac))
            answer = await self._agent.session.questions.may_take(request.nic, mac, request.profile, seconds)
        except DvsError as error:
            await _abort(context, error)
        return manager.MayTakeReply(reason=answer.reason, veth=answer.veth, index=answer.index)

    async def SetMac(self, request: manager.SetMacRequest, context: Any) -> manager.SetMacReply:
        """What the hypervisor says of a guest's MAC address."""
        try:
            accepted = await self._attaching.set_mac(convert.nic_from(request.nic), MacAddress.station(request.mac))
        except DvsError as error:
            await _abort(context, error)
        return manager.SetMacReply(accepted=accepted)

    async def Status(self, request: manager.StatusRequest, context: Any) -> manager.StatusReply:
        """What the agent is and has."""
        try:
            return await status_of(self._agent, __version__, request.macs)
        except DvsError as error:
            await _abort(context, error)

    async def Execute(self, request: manager.HostCommand, context: Any) -> AsyncIterator[manager.HostOutput]:
        """A command about single frames."""
        try:
            async with aclosing(self._agent.console.run(request.words)) as pieces:
                async for piece in pieces:
                    yield manager.HostOutput(data=piece)
        except DvsError as error:
            await _abort(context, error)


def _attach_from(request: manager.AttachRequest) -> AttachRequest:
    nic = convert.nic_from(request.nic)
    return AttachRequest(
        nic=nic,
        mac=MacAddress.station(request.mac),
        profile=request.profile,
        plug=convert.plug_from(request.plug),
        prepare=request.prepare,
        wait=request.wait_ms / 1000 or DEFAULT_WAIT,
    )


async def _abort(context: Any, error: DvsError) -> NoReturn:
    code = next((code for kind, code in _CODES if isinstance(error, kind)), grpc.StatusCode.UNKNOWN)
    await context.abort(code, str(error))
    raise AssertionError("abort() raises")


@asynccontextmanager
async def serve(agent: Agent, path: Path) -> AsyncIterator[None]:
    """Serve on ``path`` for as long as the context is open."""
    check_address(f"unix:{path}")
    _private_directory(path.parent)
    await _remove_stale(path)
    server = grpc.aio.server()
    manager_grpc.add_HostServicer_to_server(HostService(agent), server)  # type: ignore[no-untyped-call]
    before = os.umask(0o177)
    try:
        server.add_insecure_port(f"unix:{path}")
        await server.start()
    except RuntimeError as error:
        raise Unavailable(f"socket {path}", f"can't be opened: {error}") from error
    finally:
        os.umask(before)
    os.chmod(path, 0o600)
    try:
        yield
    finally:
        await server.stop(grace=0.5)
        _remove(path)


def _private_directory(directory: Path) -> None:
    """Make the directory, for its owner only; one that is there already is taken as it is."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"directory {directory}", f"can't be made: {error.strerror}") from error


async def _remove_stale(path: Path) -> None:
    """Remove the socket of an agent that was killed; Conflict if somebody still answers there."""
    kind = _kind(path)
    if not kind:
        return
    if not stat.S_ISSOCK(kind):
        raise Conflict(f"socket {path}", "there is something else of that name", "choose another --socket")
    if await _answers(path):
        raise Conflict(f"socket {path}", "another agent serves there", "stop it, or choose another --socket")
    _remove(path)


def _kind(path: Path) -> int:
    """st_mode; 0 if there is nothing."""
    try:
        return path.lstat().st_mode
    except FileNotFoundError:
        return 0


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


async def _answers(path: Path) -> bool:
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return False
    writer.close()
    return True
