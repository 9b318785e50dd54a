"""A program's client of a supervisor: commands, show data, atomic edits, events and port groups that survive restarts.

One asyncio class over the Operator and Manager services (proto/dvswitch/v1); what they promise is said there.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio

from dvswitch.client.channels import TlsFiles, manager_stub, open_aio_channel, operator_stub
from dvswitch.errors import Conflict, DvsError, InvalidValue, NotFound, StorageError, Unavailable
from dvswitch.v1 import manager_pb2, operator_pb2, types_pb2

_AGAIN = 0.2
"""Seconds before a lost stream is opened again."""


class Refused(DvsError):
    """The supervisor does not let this caller do that, or failed in a way that has no class of its own."""


class EventsLost(DvsError):
    """Events happened that can't be told any more: look at the state, and watch from now on."""


_ERRORS: Mapping[grpc.StatusCode, type[DvsError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidValue,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.FAILED_PRECONDITION: Conflict,
    grpc.StatusCode.RESOURCE_EXHAUSTED: StorageError,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: Unavailable,
    grpc.StatusCode.OUT_OF_RANGE: EventsLost,
}


@dataclass(frozen=True, slots=True)
class Ran:
    """What a line in a session came to."""

    output: str
    prompt: str


@dataclass(frozen=True, slots=True)
class Shown:
    """What a show command gave."""

    text: str
    data: dict[str, Any] | None
    """As `| json`: TABLE_x/ROW_x, all values strings; None: the command has text only.  See rows()."""
    revision: int
    """Of the state that is shown."""


@dataclass(frozen=True, slots=True)
class Configured:
    """What configuration lines came to."""

    revision: int
    changed: bool
    changes: tuple[str, ...]
    """Lines that lead from the configuration before to the one after."""


Catalog = Mapping[int, manager_pb2.PortGroup]
"""Port groups by id."""


@dataclass(frozen=True, slots=True)
class Changes:
    """A step of the port groups."""

    catalog: Catalog
    """All there are now."""
    added: tuple[manager_pb2.PortGroup, ...]
    changed: tuple[manager_pb2.PortGroup, ...]
    removed: tuple[manager_pb2.PortGroup, ...]


class Supervisor:
    """``async with Supervisor(address) as vsm``: "unix:/path", or "host:port" with the certificate of an operator.

    Every method raises DvsError: InvalidValue, NotFound, Conflict, StorageError, Unavailable (nobody answers), Refused.
    """

    def __init__(self, address: str, tls: TlsFiles | None = None, *, role: str = "", timeout: float = 60.0) -> None:
        """``role`` is the only role that commands are run with ("": they may do everything); ``timeout`` in seconds."""
        self._address, self._tls, self._role, self._timeout = address, tls, role, timeout
        self._session = f"program-{uuid.uuid4().hex}"

    async def __aenter__(self) -> Supervisor:
        self._channel = open_aio_channel(self._address, self._tls)
        self._operator, self._manager = operator_stub(self._channel), manager_stub(self._channel)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._channel.close(None)

    # ---- commands

    async def execute(self, line: str) -> Ran:
        """Run a CLI line in this client's own session, whose mode stays; Conflict with the output if it is refused."""
        request = operator_pb2.ExecuteRequest(session=self._session, line=line, role=self._role)
        reply = await self._call(self._operator.Execute(request, timeout=self._timeout))
        if not reply.ok:
            raise Conflict(f"line '{line}'", reply.output.strip())
        return Ran(reply.output, reply.prompt)

    async def live(self, line: str) -> AsyncIterator[str]:
        """Run a CLI line; its output as it comes, until it ends or this is closed: `module vem 3 execute capture`.

        Conflict with what was said if the line is refused.
        """
        call = self._operator.ExecuteLive(
            operator_pb2.ExecuteRequest(session=self._session, line=line, role=self._role)
        )
        try:
            async for reply in call:
                if not reply.part and not reply.ok:
                    raise Conflict(f"line '{line}'", reply.output.strip())
                if reply.output:
                    yield reply.output
        except grpc.aio.AioRpcError as error:
            raise _translated(error) from error
        finally:
            call.cancel()

    async def show(self, command: str) -> Shown:
        """The data of a show command."""
        request = operator_pb2.ShowRequest(command=command, role=self._role)
        reply = await self._call(self._operator.Show(request, timeout=self._timeout))
        return Shown(reply.text, json.loads(reply.json) if reply.json else None, reply.revision)

    async def configure(self, lines: Sequence[str], *, dry_run: bool = False, force: bool = False) -> Configured:
        """Apply configuration lines, all or none; the error names the line at fault.

        With ``dry_run`` nothing is changed; with ``force`` hosts may be cut off and port groups in use taken away.
        """
        request = operator_pb2.ConfigureRequest(lines=lines, role=self._role, dry_run=dry_run, force=force)
        reply = await self._call(self._operator.Configure(request, timeout=self._timeout))
        return Configured(reply.revision, reply.changed, tuple(reply.changes))

    async def events(
        self, kinds: Collection[str] = (), objects: Collection[str] = (), *, resume: bool = True
    ) -> AsyncIterator[operator_pb2.Event]:
        """What happens from the first use on, each event once.

        A lost connection is opened again without missing or doubling any; EventsLost when the supervisor was started
        anew meanwhile.  With ``resume`` False a lost connection is Unavailable.
        """
        request = operator_pb2.WatchRequest(kinds=kinds, objects=objects)
        while True:
            call = self._operator.Watch(request)
            try:
                where = dict(iter(await call.initial_metadata() or ()))  # not a Mapping, whatever dict() thinks
                if "dvs-start" in where:
                    request.start, request.after = where["dvs-start"], int(where["dvs-sequence"])
                async for event in call:
                    request.after = event.sequence
                    yield event
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE or not resume or not request.start:
                    raise _translated(error) from error
            finally:
                call.cancel()
            await asyncio.sleep(_AGAIN)

    # ---- managers

    async def port_groups(self, manager: str, version: str = "") -> AsyncIterator[Changes]:
        """The port groups: first all of them as added, then each change; ``manager`` is the caller's name for itself.

        A lost connection is opened again for as long as this is iterated; what changed meanwhile comes as one change.
        Conflict when the operator has closed the connection.
        """
        request = manager_pb2.WatchPortGroupsRequest(manager=manager, version=version)
        known: Catalog | None = None
        while True:
            call = self._manager.WatchPortGroups(request)
            try:
                async for update in call:
                    now = _next(known or {}, update)
                    changes = _difference(known or {}, now)
                    if known is None or changes.added or changes.changed or changes.removed:
                        yield changes
                    known = now
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE or known is None:
                    raise _translated(error) from error
            finally:
                call.cancel()
            await asyncio.sleep(_AGAIN)

    async def attach(
        self, nic: types_pb2.Nic, *, port_group: str = "", profile: str = "", mac: str = ""
    ) -> manager_pb2.VethInfo:
        """Tell of a NIC before it is plugged in: makes or finds its vEth.  Idempotent."""
        request = manager_pb2.ManagerAttachRequest(nic=nic, mac=mac, profile=profile, port_group=port_group)
        return await self._call(self._manager.Attach(request, timeout=self._timeout))  # type: ignore[no-any-return]

    async def detach(self, veth: int) -> manager_pb2.VethInfo:
        """The NIC is gone from where it is; its vEth keeps its number."""
        request = manager_pb2.DetachRequest(veth=veth)
        return await self._call(self._manager.Detach(request, timeout=self._timeout))  # type: ignore[no-any-return]

    async def veths(self) -> list[manager_pb2.VethInfo]:
        """All vEths, by number."""
        request = manager_pb2.ListVethsRequest()
        return list((await self._call(self._manager.ListVeths(request, timeout=self._timeout))).veths)

    async def begin_migration(self, veth: int, target: str, seconds: float = 10.0) -> manager_pb2.MigrateReply:
        """Prepare the target: a host's UUID or name, or "slot N"."""
        return await self._migrate(veth, manager_pb2.MigrateRequest.BEGIN, seconds, target)

    async def commit_migration(self, veth: int, seconds: float = 10.0) -> manager_pb2.MigrateReply:
        """Move now."""
        return await self._migrate(veth, manager_pb2.MigrateRequest.COMMIT, seconds)

    async def cancel_migration(self, veth: int, seconds: float = 10.0) -> manager_pb2.MigrateReply:
        """Back to the source."""
        return await self._migrate(veth, manager_pb2.MigrateRequest.CANCEL, seconds)

    async def _migrate(self, veth: int, step: Any, seconds: float, target: str = "") -> manager_pb2.MigrateReply:
        request = manager_pb2.MigrateRequest(veth=veth, step=step, target_host=target, timeout_ms=round(seconds * 1000))
        call = self._manager.Migrate(request, timeout=self._timeout + seconds)
        return await self._call(call)  # type: ignore[no-any-return]

    async def _call(self, call: Awaitable[Any]) -> Any:
        try:
            return await call
        except grpc.aio.AioRpcError as error:
            raise _translated(error) from error


def rows(shown: Shown, table: str) -> list[dict[str, Any]]:
    """The rows of TABLE_table, also when there is one or none."""
    found = (shown.data or {}).get(f"TABLE_{table}", {}).get(f"ROW_{table}", [])
    return found if isinstance(found, list) else [found]


def _translated(error: grpc.aio.AioRpcError) -> DvsError:
    kind = _ERRORS.get(error.code(), Refused)
    return kind("", error.details() or str(error.code()))


def _next(known: Catalog, update: manager_pb2.PortGroupUpdate) -> Catalog:
    """The port groups after an update."""
    now = {} if update.snapshot else dict(known)
    for group in update.removed:
        now.pop(group.id, None)
    return now | {group.id: group for group in (*update.added, *update.changed)}


def _difference(old: Catalog, new: Catalog) -> Changes:
    return Changes(
        new,
        tuple(new[key] for key in sorted(new.keys() - old.keys())),
        tuple(new[key] for key in sorted(new.keys() & old.keys()) if new[key] != old[key]),
        tuple(old[key] for key in sorted(old.keys() - new.keys())),
    )
