"""The supervisor's client for scripts that know nothing of asyncio: the same methods, each of which waits.

    with BlockingSupervisor("unix:/var/lib/dvswitch/vsm/operator.sock") as vsm:
        print(vsm.show("show module").text)
        for event in vsm.events(kinds=["veth"]):
            print(event.text)

A thread of its own runs supervisor.py's client; nothing else is here.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Collection, Coroutine, Generator, Sequence
from typing import Any, TypeVar

from dvswitch.client.channels import TlsFiles
from dvswitch.client.supervisor import Changes, Configured, Ran, Shown, Supervisor
from dvswitch.v1 import manager_pb2, operator_pb2, types_pb2

T = TypeVar("T")


class BlockingSupervisor:
    """See Supervisor, whose arguments, results and errors these are.  To be used by one thread at a time.

    Ctrl-C ends a wait, and what the supervisor does for it.  Closing an iterator (or leaving the `with`) hangs up.
    """

    def __init__(self, address: str, tls: TlsFiles | None = None, *, role: str = "", timeout: float = 60.0) -> None:
        self._vsm = Supervisor(address, tls, role=role, timeout=timeout)

    def __enter__(self) -> BlockingSupervisor:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="dvswitch-client", daemon=True)
        self._thread.start()
        try:
            self._wait(self._enter())
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            self._wait(self._leave())
        finally:
            self._stop()

    # ---- commands

    def execute(self, line: str) -> Ran:
        """Run a CLI line in this client's own session."""
        return self._wait(self._vsm.execute(line))

    def live(self, line: str) -> Generator[str]:
        """Run a CLI line; its output as it comes."""
        return self._each(self._vsm.live(line))

    def show(self, command: str) -> Shown:
        """The data of a show command."""
        return self._wait(self._vsm.show(command))

    def configure(self, lines: Sequence[str], *, dry_run: bool = False, force: bool = False) -> Configured:
        """Apply configuration lines, all or none."""
        return self._wait(self._vsm.configure(lines, dry_run=dry_run, force=force))

    def events(
        self, kinds: Collection[str] = (), objects: Collection[str] = (), *, resume: bool = True
    ) -> Generator[operator_pb2.Event]:
        """What happens from the first use on."""
        return self._each(self._vsm.events(kinds, objects, resume=resume))

    # ---- managers

    def port_groups(self, manager: str, version: str = "") -> Generator[Changes]:
        """The port groups: first all of them as added, then each change."""
        return self._each(self._vsm.port_groups(manager, version))

    def attach(
        self, nic: types_pb2.Nic, *, port_group: str = "", profile: str = "", mac: str = ""
    ) -> manager_pb2.VethInfo:
        """Tell of a NIC before it is plugged in."""
        return self._wait(self._vsm.attach(nic, port_group=port_group, profile=profile, mac=mac))

    def detach(self, veth: int) -> manager_pb2.VethInfo:
        """The NIC is gone from where it is."""
        return self._wait(self._vsm.detach(veth))

    def veths(self) -> list[manager_pb2.VethInfo]:
        """All vEths, by number."""
        return self._wait(self._vsm.veths())

    def begin_migration(self, veth: int, target: str, seconds: float = 10.0) -> manager_pb2.MigrateReply:
        """Prepare the target."""
        return self._wait(self._vsm.begin_migration(veth, target, seconds))

    def commit_migration(self, veth: int, seconds: float = 10.0) -> manager_pb2.MigrateReply:
        """Move now."""
        return self._wait(self._vsm.commit_migration(veth, seconds))

    def cancel_migration(self, veth: int, seconds: float = 10.0) -> manager_pb2.MigrateReply:
        """Back to the source."""
        return self._wait(self._vsm.cancel_migration(veth, seconds))

    # ---- the thread

    async def _enter(self) -> None:
        await self._vsm.__aenter__()

    async def _leave(self) -> None:
        await self._vsm.__aexit__(None, None, None)

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # of use when it is this thread that was interrupted
            raise

    def _each(self, items: AsyncIterator[T]) -> Generator[T]:
        try:
            while True:
                try:
                    item = self._wait(_next(items))
                except StopAsyncIteration:
                    return
                yield item
        finally:
            if self._thread.is_alive():
                self._wait(items.aclose())  # type: ignore[attr-defined]

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _next(items: AsyncIterator[T]) -> T:
    return await anext(items)
