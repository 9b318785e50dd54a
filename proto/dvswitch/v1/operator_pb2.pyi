from dvswitch.v1 import manager_pb2 as _manager_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ExecuteRequest(_message.Message):
    __slots__ = ("session", "line", "role")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    session: str
    line: str
    role: str
    def __init__(self, session: _Optional[str] = ..., line: _Optional[str] = ..., role: _Optional[str] = ...) -> None: ...

class ExecuteReply(_message.Message):
    __slots__ = ("output", "prompt", "ok", "closed", "length", "asks", "part")
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    OK_FIELD_NUMBER: _ClassVar[int]
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    ASKS_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    output: str
    prompt: str
    ok: bool
    closed: bool
    length: int
    asks: bool
    part: bool
    def __init__(self, output: _Optional[str] = ..., prompt: _Optional[str] = ..., ok: bool = ..., closed: bool = ..., length: _Optional[int] = ..., asks: bool = ..., part: bool = ...) -> None: ...

class CompleteRequest(_message.Message):
    __slots__ = ("session", "line")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    session: str
    line: str
    def __init__(self, session: _Optional[str] = ..., line: _Optional[str] = ...) -> None: ...

class CompleteReply(_message.Message):
    __slots__ = ("candidates", "problem", "length")
    class Candidate(_message.Message):
        __slots__ = ("word", "help")
        WORD_FIELD_NUMBER: _ClassVar[int]
        HELP_FIELD_NUMBER: _ClassVar[int]
        word: str
        help: str
        def __init__(self, word: _Optional[str] = ..., help: _Optional[str] = ...) -> None: ...
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    candidates: _containers.RepeatedCompositeFieldContainer[CompleteReply.Candidate]
    problem: str
    length: int
    def __init__(self, candidates: _Optional[_Iterable[_Union[CompleteReply.Candidate, _Mapping]]] = ..., problem: _Optional[str] = ..., length: _Optional[int] = ...) -> None: ...

class CloseRequest(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: str
    def __init__(self, session: _Optional[str] = ...) -> None: ...

class CloseReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ("kinds", "objects", "start", "after")
    KINDS_FIELD_NUMBER: _ClassVar[int]
    OBJECTS_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    kinds: _containers.RepeatedScalarFieldContainer[str]
    objects: _containers.RepeatedScalarFieldContainer[str]
    start: str
    after: int
    def __init__(self, kinds: _Optional[_Iterable[str]] = ..., objects: _Optional[_Iterable[str]] = ..., start: _Optional[str] = ..., after: _Optional[int] = ...) -> None: ...

class ShowRequest(_message.Message):
    __slots__ = ("command", "role")
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    command: str
    role: str
    def __init__(self, command: _Optional[str] = ..., role: _Optional[str] = ...) -> None: ...

class ShowReply(_message.Message):
    __slots__ = ("json", "text", "revision")
    JSON_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    json: str
    text: str
    revision: int
    def __init__(self, json: _Optional[str] = ..., text: _Optional[str] = ..., revision: _Optional[int] = ...) -> None: ...

class ConfigureRequest(_message.Message):
    __slots__ = ("lines", "role", "dry_run", "force")
    LINES_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    lines: _containers.RepeatedScalarFieldContainer[str]
    role: str
    dry_run: bool
    force: bool
    def __init__(self, lines: _Optional[_Iterable[str]] = ..., role: _Optional[str] = ..., dry_run: bool = ..., force: bool = ...) -> None: ...

class ConfigureReply(_message.Message):
    __slots__ = ("revision", "changed", "changes")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    revision: int
    changed: bool
    changes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, revision: _Optional[int] = ..., changed: bool = ..., changes: _Optional[_Iterable[str]] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("sequence", "time_ms", "kind", "object", "what", "text", "veth", "start", "revision")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    WHAT_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    VETH_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    time_ms: int
    kind: str
    object: str
    what: str
    text: str
    veth: _manager_pb2.VethInfo
    start: str
    revision: int
    def __init__(self, sequence: _Optional[int] = ..., time_ms: _Optional[int] = ..., kind: _Optional[str] = ..., object: _Optional[str] = ..., what: _Optional[str] = ..., text: _Optional[str] = ..., veth: _Optional[_Union[_manager_pb2.VethInfo, _Mapping]] = ..., start: _Optional[str] = ..., revision: _Optional[int] = ...) -> None: ...
