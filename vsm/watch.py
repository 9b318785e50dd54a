"""`vsm watch` (and `dvs watch`): what happens in the switch, a line per event, until interrupted.

The events are those of the operator API; programs that prefer a broker get the same over MQTT (vsm/mqtt).  A supervisor
that is restarted is waited for.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Collection
from datetime import datetime

from google.protobuf.json_format import MessageToDict

from dvswitch.client import EventsLost, Supervisor, TlsFiles
from dvswitch.errors import Unavailable
from dvswitch.v1 import operator_pb2

_AGAIN = 0.5
"""Seconds between two tries to reach a supervisor that was there before."""


async def watch(
    address: str,
    tls: TlsFiles | None,
    kinds: Collection[str],
    *,
    as_json: bool = False,
    count: int = 0,
    tell: Callable[[str], None] = lambda text: print(text, flush=True),
) -> None:
    """Print events of these kinds (none given: all), ``count`` of them (0: until cancelled).

    Unavailable if the supervisor can't be reached at the beginning; InvalidValue if a kind is unknown.
    """
    render = _json if as_json else _line
    async with Supervisor(address, tls) as vsm:
        left = count
        async for event in _events(vsm, kinds):
            tell(render(event))
            left -= 1
            if not left:
                return


async def _events(vsm: Supervisor, kinds: Collection[str]) -> AsyncIterator[operator_pb2.Event]:
    """Events over restarts of the supervisor; what happened between two starts is not known, which is told."""
    reached = False
    while True:
        try:
            async for event in vsm.events(kinds):
                reached = True
                yield event
        except EventsLost:
            reached = True
            print("watch: the supervisor was started anew; what happened meanwhile is not known", file=sys.stderr)
        except Unavailable:
            if not reached:
                raise
            await asyncio.sleep(_AGAIN)


def _line(event: operator_pb2.Event) -> str:
    """2026-03-01 12:00:00.250 migration  vethernet 5     paused      Vethernet 5 from module 3 to module 4: paused."""
    when = datetime.fromtimestamp(event.time_ms / 1000).isoformat(" ", "milliseconds")
    return f"{when} {event.kind:<10} {event.object:<16} {event.what:<10} {event.text}"


def _json(event: operator_pb2.Event) -> str:
    shown = MessageToDict(event, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    return json.dumps(shown, ensure_ascii=False)
