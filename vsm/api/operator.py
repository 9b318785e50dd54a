"""The operator API: CLI lines in, text out; events for whoever watches.  The CLI itself is in vsm/cli."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Protocol

from dvswitch.errors import InvalidValue
from dvswitch.v1 import operator_pb2, operator_pb2_grpc
from vsm.api.status import answering, streaming
from vsm.api.views import veth_info
from vsm.cli.program import Programs
from vsm.events.bus import Event, EventBus
from vsm.runtime import Runtime
from vsm.supervisor import Supervisor

KINDS = ("module", "veth", "profile", "config", "migration", "uplink", "host")
"""Kinds of events there are."""
_MAX_LINE = 4096
"""Characters in a CLI line."""
_PARTS = 1000
"""Parts of live output that are held for a slow caller."""


class Answer(Protocol):
    """What a CLI line came to."""

    @property
    def output(self) -> str:
        """Text; lines end with a newline."""
        ...

    @property
    def prompt(self) -> str:
        """What to show before the next line."""
        ...

    @property
    def ok(self) -> bool:
        """False: refused, the output says why."""
        ...

    @property
    def closed(self) -> bool:
        """The session ended with this line."""
        ...

    @property
    def length(self) -> int:
        """Lines of a page; 0 = don't page."""
        ...

    @property
    def asks(self) -> bool:
        """The prompt is a question."""
        ...


class Candidate(Protocol):
    """What may come next."""

    @property
    def word(self) -> str:
        """A keyword, a <placeholder>, or <CR>."""
        ...

    @property
    def help(self) -> str:
        """One line."""
        ...


class Help(Protocol):
    """What `?` shows (vsm.cli.service.Help)."""

    @property
    def candidates(self) -> Iterable[Candidate]:
        """What may come next."""
        ...

    @property
    def problem(self) -> str:
        """Why nothing can."""
        ...

    @property
    def length(self) -> int:
        """Lines of a page; 0 = don't page."""
        ...


class Cli(Protocol):
    """What is needed of the command line interpreter (vsm/cli/service.py)."""

    async def run(self, session: str, line: str, role: str = "", part: Callable[[str], None] | None = None) -> Answer:
        """Run one line in the session of that name, and wait for its outcome; ``role`` is that of a new session.

        ``part`` gets output that comes before that.
        """
        ...

    def help(self, session: str, line: str) -> Help:
        """What may come next."""
        ...

    def close(self, session: str) -> None:
        """End the session."""
        ...

    @property
    def programs(self) -> Programs:
        """Commands outside of sessions."""
        ...


class OperatorService(operator_pb2_grpc.OperatorServicer):
    """Serves operators and their programs."""

    def __init__(self, supervisor: Supervisor, runtime: Runtime, cli: Cli, bus: EventBus) -> None:
        self._supervisor, self._runtime, self._cli, self._bus = supervisor, runtime, cli, bus

    @answering
    async def Execute(self, request: operator_pb2.ExecuteRequest) -> operator_pb2.ExecuteReply:
        """Run one CLI line.  A caller that hangs up ends what a module does for it."""
        _check_line(request.line)
        return _reply(await self._cli.run(request.session, request.line, request.role))

    @streaming
    async def ExecuteLive(
        self, request: operator_pb2.ExecuteRequest, _context: Any
    ) -> AsyncIterator[operator_pb2.ExecuteReply]:
        """Run one CLI line; what a module shows is passed on as it comes, as far as the caller takes it."""
        _check_line(request.line)
        parts: asyncio.Queue[str | None] = asyncio.Queue()

        def add(text: str) -> None:
            if parts.qsize() < _PARTS:  # a slow caller does not see all of it
                parts.put_nowait(text)

        running = asyncio.ensure_future(self._cli.run(request.session, request.line, request.role, add))
        running.add_done_callback(lambda _: parts.put_nowait(None))
        try:
            while (text := await parts.get()) is not None:
                yield operator_pb2.ExecuteReply(output=text, part=True)
            yield _reply(await running)
        finally:
            running.cancel()

    @answering
    async def Complete(self, request: operator_pb2.CompleteRequest) -> operator_pb2.CompleteReply:
        """Words that may come next."""
        _check_line(request.line)
        found = self._cli.help(request.session, request.line)
        candidates = [operator_pb2.CompleteReply.Candidate(word=each.word, help=each.help) for each in found.candidates]
        return operator_pb2.CompleteReply(candidates=candidates, problem=found.problem, length=found.length)

    @answering
    async def Close(self, request: operator_pb2.CloseRequest) -> operator_pb2.CloseReply:
        """End a session."""
        self._cli.close(request.session)
        return operator_pb2.CloseReply()

    @answering
    async def Show(self, request: operator_pb2.ShowRequest) -> operator_pb2.ShowReply:
        """The data of a show command."""
        _check_line(request.command)
        shown = await self._cli.programs.show(request.command, request.role)
        return operator_pb2.ShowReply(json=shown.json, text=shown.text, revision=shown.revision)

    @answering
    async def Configure(self, request: operator_pb2.ConfigureRequest) -> operator_pb2.ConfigureReply:
        """Configuration lines, all or none."""
        for line in request.lines:
            _check_line(line)
        done = self._cli.programs.configure(
            list(request.lines), request.role, dry_run=request.dry_run, force=request.force
        )
        return operator_pb2.ConfigureReply(revision=done.revision, changed=done.changed, changes=done.changes)

    @streaming
    async def Watch(self, request: operator_pb2.WatchRequest, context: Any) -> AsyncIterator[operator_pb2.Event]:
        """What happens from now on, or from where the caller was."""
        unknown = set(request.kinds) - set(KINDS)
        if unknown:
            raise InvalidValue("event kind", f"'{min(unknown)}' is unknown", f"choose from {', '.join(KINDS)}")
        # The caller must know that it misses nothing from here on: headers go out once the listener stands.
        sequence = request.after if request.start else self._bus.sequence
        if request.start:
            events = self._bus.resume(request.start, request.after, request.kinds)
        else:
            events = self._bus.listen(request.kinds)
        await context.send_initial_metadata((("dvs-start", self._bus.start), ("dvs-sequence", str(sequence))))
        async for event in events:
            if not request.objects or event.news.object in request.objects:
                yield self._event(event)

    def _event(self, event: Event) -> operator_pb2.Event:
        news = event.news
        message = operator_pb2.Event(
            sequence=event.sequence,
            time_ms=round(event.time * 1000),
            kind=news.kind,
            object=news.object,
            what=news.what,
            text=news.text,
            start=self._bus.start,
            revision=event.revision,
        )
        veth = self._supervisor.state.inventory.veths.get(news.veth)
        if veth is not None:
            message.veth.CopyFrom(veth_info(self._supervisor.state, self._runtime, veth))
        return message


def _reply(answer: Answer) -> operator_pb2.ExecuteReply:
    return operator_pb2.ExecuteReply(
        output=answer.output,
        prompt=answer.prompt,
        ok=answer.ok,
        closed=answer.closed,
        length=answer.length,
        asks=answer.asks,
    )


def _check_line(line: str) -> None:
    if len(line) > _MAX_LINE:
        raise InvalidValue("command line", f"has {len(line)} characters", f"at most {_MAX_LINE} are allowed")
