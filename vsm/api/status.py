"""Errors of ours as gRPC statuses: one table, used by every servicer."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, TypeVar

import grpc
import structlog

from dvswitch.errors import Conflict, DvsError, InvalidValue, NotFound, StorageError, Unavailable
from vsm.events.bus import EventsLost
from vsm.fabric.identity import NotAllowed, check_operator

_CODES: tuple[tuple[type[DvsError], grpc.StatusCode], ...] = (
    (InvalidValue, grpc.StatusCode.INVALID_ARGUMENT),
    (NotFound, grpc.StatusCode.NOT_FOUND),
    (Conflict, grpc.StatusCode.FAILED_PRECONDITION),
    (EventsLost, grpc.StatusCode.OUT_OF_RANGE),
    (NotAllowed, grpc.StatusCode.PERMISSION_DENIED),
    (StorageError, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (Unavailable, grpc.StatusCode.UNAVAILABLE),
)
_Servicer = TypeVar("_Servicer")
_Request = TypeVar("_Request")
_Reply = TypeVar("_Reply")
_log = structlog.get_logger("vsm.api")


_Stream = TypeVar("_Stream")


def streaming(
    method: Callable[[_Servicer, _Request, Any], AsyncIterator[_Stream]],
) -> Callable[[_Servicer, _Request, Any], AsyncIterator[_Stream]]:
    """Likewise of one that yields replies, and may look at the call's context."""

    @functools.wraps(method)
    async def serve(servicer: _Servicer, request: _Request, context: Any) -> AsyncIterator[_Stream]:
        try:
            check_operator(context.auth_context())
            async with aclosing(method(servicer, request, context)) as replies:  # type: ignore[type-var]
                async for reply in replies:
                    yield reply
        except DvsError as error:
            _log.info("refused", method=method.__name__, reason=str(error))
            await context.abort(code_of(error), str(error))

    return serve


def code_of(error: DvsError) -> grpc.StatusCode:
    """The status that tells a caller what kind of error it is; its message is str(error)."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), grpc.StatusCode.UNKNOWN)


def answering(
    method: Callable[[_Servicer, _Request], Awaitable[_Reply]],
) -> Callable[[_Servicer, _Request, Any], Awaitable[_Reply]]:
    """Make a gRPC method of one that takes a request and returns a reply or raises a DvsError."""

    @functools.wraps(method)
    async def serve(servicer: _Servicer, request: _Request, context: Any) -> _Reply:
        try:
            check_operator(context.auth_context())
            return await method(servicer, request)
        except DvsError as error:
            _log.info("refused", method=method.__name__, reason=str(error))
            await context.abort(code_of(error), str(error))
            raise

    return serve
