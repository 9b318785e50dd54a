from dvswitch.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class VifTagging(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VIF_TAGGING_UNKNOWN: _ClassVar[VifTagging]
    VIF_TAGGING_VNTAG: _ClassVar[VifTagging]
    VIF_TAGGING_ETAG: _ClassVar[VifTagging]
VIF_TAGGING_UNKNOWN: VifTagging
VIF_TAGGING_VNTAG: VifTagging
VIF_TAGGING_ETAG: VifTagging

class VifFrame(_message.Message):
    __slots__ = ("instance", "session", "sequence", "acknowledged", "messages", "seek", "hello", "welcome", "reset")
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGED_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    SEEK_FIELD_NUMBER: _ClassVar[int]
    HELLO_FIELD_NUMBER: _ClassVar[int]
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    RESET_FIELD_NUMBER: _ClassVar[int]
    instance: int
    session: int
    sequence: int
    acknowledged: int
    messages: _containers.RepeatedCompositeFieldContainer[VifMessage]
    seek: VifSeek
    hello: VifHello
    welcome: VifWelcome
    reset: VifReset
    def __init__(self, instance: _Optional[int] = ..., session: _Optional[int] = ..., sequence: _Optional[int] = ..., acknowledged: _Optional[int] = ..., messages: _Optional[_Iterable[_Union[VifMessage, _Mapping]]] = ..., seek: _Optional[_Union[VifSeek, _Mapping]] = ..., hello: _Optional[_Union[VifHello, _Mapping]] = ..., welcome: _Optional[_Union[VifWelcome, _Mapping]] = ..., reset: _Optional[_Union[VifReset, _Mapping]] = ...) -> None: ...

class VifSeek(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class VifHello(_message.Message):
    __slots__ = ("host_uuid", "host_name", "uplink", "taggings")
    HOST_UUID_FIELD_NUMBER: _ClassVar[int]
    HOST_NAME_FIELD_NUMBER: _ClassVar[int]
    UPLINK_FIELD_NUMBER: _ClassVar[int]
    TAGGINGS_FIELD_NUMBER: _ClassVar[int]
    host_uuid: str
    host_name: str
    uplink: int
    taggings: _containers.RepeatedScalarFieldContainer[VifTagging]
    def __init__(self, host_uuid: _Optional[str] = ..., host_name: _Optional[str] = ..., uplink: _Optional[int] = ..., taggings: _Optional[_Iterable[_Union[VifTagging, str]]] = ...) -> None: ...

class VifWelcome(_message.Message):
    __slots__ = ("instance", "vis_uuid", "vis_name", "port", "tagging", "last_vif", "keep_alive_ms")
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    VIS_UUID_FIELD_NUMBER: _ClassVar[int]
    VIS_NAME_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    TAGGING_FIELD_NUMBER: _ClassVar[int]
    LAST_VIF_FIELD_NUMBER: _ClassVar[int]
    KEEP_ALIVE_MS_FIELD_NUMBER: _ClassVar[int]
    instance: int
    vis_uuid: str
    vis_name: str
    port: str
    tagging: VifTagging
    last_vif: int
    keep_alive_ms: int
    def __init__(self, instance: _Optional[int] = ..., vis_uuid: _Optional[str] = ..., vis_name: _Optional[str] = ..., port: _Optional[str] = ..., tagging: _Optional[_Union[VifTagging, str]] = ..., last_vif: _Optional[int] = ..., keep_alive_ms: _Optional[int] = ...) -> None: ...

class VifReset(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...

class VifMessage(_message.Message):
    __slots__ = ("attach", "detach", "mode", "granted", "refused", "released", "list", "synced", "keep_alive")
    ATTACH_FIELD_NUMBER: _ClassVar[int]
    DETACH_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    GRANTED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    RELEASED_FIELD_NUMBER: _ClassVar[int]
    LIST_FIELD_NUMBER: _ClassVar[int]
    SYNCED_FIELD_NUMBER: _ClassVar[int]
    KEEP_ALIVE_FIELD_NUMBER: _ClassVar[int]
    attach: VifAttach
    detach: VifDetach
    mode: VifMode
    granted: VifGranted
    refused: VifRefused
    released: VifReleased
    list: VifList
    synced: VifSynced
    keep_alive: VifKeepAlive
    def __init__(self, attach: _Optional[_Union[VifAttach, _Mapping]] = ..., detach: _Optional[_Union[VifDetach, _Mapping]] = ..., mode: _Optional[_Union[VifMode, _Mapping]] = ..., granted: _Optional[_Union[VifGranted, _Mapping]] = ..., refused: _Optional[_Union[VifRefused, _Mapping]] = ..., released: _Optional[_Union[VifReleased, _Mapping]] = ..., list: _Optional[_Union[VifList, _Mapping]] = ..., synced: _Optional[_Union[VifSynced, _Mapping]] = ..., keep_alive: _Optional[_Union[VifKeepAlive, _Mapping]] = ...) -> None: ...

class VifAttach(_message.Message):
    __slots__ = ("nic", "mac", "profile", "prepare", "veth", "generation", "request", "vif", "link_up", "effective_mac", "moves", "in_force")
    NIC_FIELD_NUMBER: _ClassVar[int]
    MAC_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    PREPARE_FIELD_NUMBER: _ClassVar[int]
    VETH_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    VIF_FIELD_NUMBER: _ClassVar[int]
    LINK_UP_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_MAC_FIELD_NUMBER: _ClassVar[int]
    MOVES_FIELD_NUMBER: _ClassVar[int]
    IN_FORCE_FIELD_NUMBER: _ClassVar[int]
    nic: _types_pb2.Nic
    mac: str
    profile: str
    prepare: bool
    veth: int
    generation: int
    request: str
    vif: int
    link_up: bool
    effective_mac: str
    moves: int
    in_force: bool
    def __init__(self, nic: _Optional[_Union[_types_pb2.Nic, _Mapping]] = ..., mac: _Optional[str] = ..., profile: _Optional[str] = ..., prepare: bool = ..., veth: _Optional[int] = ..., generation: _Optional[int] = ..., request: _Optional[str] = ..., vif: _Optional[int] = ..., link_up: bool = ..., effective_mac: _Optional[str] = ..., moves: _Optional[int] = ..., in_force: bool = ...) -> None: ...

class VifDetach(_message.Message):
    __slots__ = ("nic",)
    NIC_FIELD_NUMBER: _ClassVar[int]
    nic: _types_pb2.Nic
    def __init__(self, nic: _Optional[_Union[_types_pb2.Nic, _Mapping]] = ...) -> None: ...

class VifMode(_message.Message):
    __slots__ = ("final",)
    FINAL_FIELD_NUMBER: _ClassVar[int]
    final: bool
    def __init__(self, final: bool = ...) -> None: ...

class VifGranted(_message.Message):
    __slots__ = ("nic", "vif", "veth", "generation", "phase", "state", "detail", "request")
    class Phase(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        PREPARED: _ClassVar[VifGranted.Phase]
        ACTIVE: _ClassVar[VifGranted.Phase]
        DRAINING: _ClassVar[VifGranted.Phase]
    PREPARED: VifGranted.Phase
    ACTIVE: VifGranted.Phase
    DRAINING: VifGranted.Phase
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        PENDING: _ClassVar[VifGranted.State]
        BLOCKED: _ClassVar[VifGranted.State]
        FORWARDING: _ClassVar[VifGranted.State]
    PENDING: VifGranted.State
    BLOCKED: VifGranted.State
    FORWARDING: VifGranted.State
    NIC_FIELD_NUMBER: _ClassVar[int]
    VIF_FIELD_NUMBER: _ClassVar[int]
    VETH_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    nic: _types_pb2.Nic
    vif: int
    veth: int
    generation: int
    phase: VifGranted.Phase
    state: VifGranted.State
    detail: str
    request: str
    def __init__(self, nic: _Optional[_Union[_types_pb2.Nic, _Mapping]] = ..., vif: _Optional[int] = ..., veth: _Optional[int] = ..., generation: _Optional[int] = ..., phase: _Optional[_Union[VifGranted.Phase, str]] = ..., state: _Optional[_Union[VifGranted.State, str]] = ..., detail: _Optional[str] = ..., request: _Optional[str] = ...) -> None: ...

class VifRefused(_message.Message):
    __slots__ = ("nic", "request", "reason")
    NIC_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    nic: _types_pb2.Nic
    request: str
    reason: str
    def __init__(self, nic: _Optional[_Union[_types_pb2.Nic, _Mapping]] = ..., request: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class VifReleased(_message.Message):
    __slots__ = ("nic", "reason")
    NIC_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    nic: _types_pb2.Nic
    reason: str
    def __init__(self, nic: _Optional[_Union[_types_pb2.Nic, _Mapping]] = ..., reason: _Optional[str] = ...) -> None: ...

class VifList(_message.Message):
    __slots__ = ("id", "first_byte", "members")
    ID_FIELD_NUMBER: _ClassVar[int]
    FIRST_BYTE_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    id: int
    first_byte: int
    members: bytes
    def __init__(self, id: _Optional[int] = ..., first_byte: _Optional[int] = ..., members: _Optional[bytes] = ...) -> None: ...

class VifSynced(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class VifKeepAlive(_message.Message):
    __slots__ = ("digest",)
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    digest: int
    def __init__(self, digest: _Optional[int] = ...) -> None: ...
