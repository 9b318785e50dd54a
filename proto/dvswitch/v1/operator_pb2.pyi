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
    __slots__ = ("output", "prompt", "ok", "closed", "length", "asks")
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    OK_FIELD_NUMBER: _ClassVar[int]
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    ASKS_FIELD_NUMBER: _ClassVar[int]
    output: str
    prompt: str
    ok: bool
    closed: bool
    length: int
    asks: bool
    def __init__(self, output: _Optional[str] = ..., prompt: _Optional[str] = ..., ok: bool = ..., closed: bool = ..., length: _Optional[int] = ..., asks: bool = ...) -> None: ...

class CompleteRequest(_message.Message):
    __slots__ = ("session", "line")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    session: str
    line: str
    def __init__(self, session: _Optional[str] = ..., line: _Optional[str] = ...) -> None: ...

class CompleteReply(_message.Message):
    __slots__ = ("candidates",)
    class Candidate(_message.Message):
        __slots__ = ("word", "help")
        WORD_FIELD_NUMBER: _ClassVar[int]
        HELP_FIELD_NUMBER: _ClassVar[int]
        word: str
        help: str
        def __init__(self, word: _Optional[str] = ..., help: _Optional[str] = ...) -> None: ...
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    candidates: _containers.RepeatedCompositeFieldContainer[CompleteReply.Candidate]
    def __init__(self, candidates: _Optional[_Iterable[_Union[CompleteReply.Candidate, _Mapping]]] = ...) -> None: ...

class CloseRequest(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: str
    def __init__(self, session: _Optional[str] = ...) -> None: ...

class CloseReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ("kinds",)
    KINDS_FIELD_NUMBER: _ClassVar[int]
    kinds: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, kinds: _Optional[_Iterable[str]] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("sequence", "time_ms", "kind", "object", "what", "text", "veth")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    WHAT_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    VETH_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    time_ms: int
    kind: str
    object: str
    what: str
    text: str
    veth: _manager_pb2.VethInfo
    def __init__(self, sequence: _Optional[int] = ..., time_ms: _Optional[int] = ..., kind: _Optional[str] = ..., object: _Optional[str] = ..., what: _Optional[str] = ..., text: _Optional[str] = ..., veth: _Optional[_Union[_manager_pb2.VethInfo, _Mapping]] = ...) -> None: ...
