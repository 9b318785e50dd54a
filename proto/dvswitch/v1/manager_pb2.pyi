from dvswitch.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ManagerAttachRequest(_message.Message):
    __slots__ = ("nic", "mac", "profile")
    NIC_FIELD_NUMBER: _ClassVar[int]
    MAC_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    nic: _types_pb2.Nic
    mac: str
    profile: str
    def __init__(self, nic: _Optional[_Union[_types_pb2.Nic, _Mapping]] = ..., mac: _Optional[str] = ..., profile: _Optional[str] = ...) -> None: ...

class AttachRequest(_message.Message):
    __slots__ = ("nic", "mac", "profile", "plug", "prepare", "wait_ms")
    NIC_FIELD_NUMBER: _ClassVar[int]
    MAC_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    PLUG_FIELD_NUMBER: _ClassVar[int]
    PREPARE_FIELD_NUMBER: _ClassVar[int]
    WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    nic: _types_pb2.Nic
    mac: str
    profile: str
    plug: _types_pb2.Plug
    prepare: bool
    wait_ms: int
    def __init__(self, nic: _Optional[_Union[_types_pb2.Nic, _Mapping]] = ..., mac: _Optional[str] = ..., profile: _Optional[str] = ..., plug: _Optional[_Union[_types_pb2.Plug, _Mapping]] = ..., prepare: bool = ..., wait_ms: _Optional[int] = ...) -> None: ...

class AttachReply(_message.Message):
    __slots__ = ("veth", "state", "detail")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        PENDING: _ClassVar[AttachReply.State]
        FORWARDING: _ClassVar[AttachReply.State]
        BLOCKED: _ClassVar[AttachReply.State]
        PREPARED: _ClassVar[AttachReply.State]
    PENDING: AttachReply.State
    FORWARDING: AttachReply.State
    BLOCKED: AttachReply.State
    PREPARED: AttachReply.State
    VETH_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    veth: int
    state: AttachReply.State
    detail: str
    def __init__(self, veth: _Optional[int] = ..., state: _Optional[_Union[AttachReply.State, str]] = ..., detail: _Optional[str] = ...) -> None: ...

class DetachRequest(_message.Message):
    __slots__ = ("nic", "veth")
    NIC_FIELD_NUMBER: _ClassVar[int]
    VETH_FIELD_NUMBER: _ClassVar[int]
    nic: _types_pb2.Nic
    veth: int
    def __init__(self, nic: _Optional[_Union[_types_pb2.Nic, _Mapping]] = ..., veth: _Optional[int] = ...) -> None: ...

class DetachReply(_message.Message):
    __slots__ = ("was_attached",)
    WAS_ATTACHED_FIELD_NUMBER: _ClassVar[int]
    was_attached: bool
    def __init__(self, was_attached: bool = ...) -> None: ...

class MigrateRequest(_message.Message):
    __slots__ = ("veth", "nic", "step", "target_host", "timeout_ms")
    class Step(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        BEGIN: _ClassVar[MigrateRequest.Step]
        COMMIT: _ClassVar[MigrateRequest.Step]
        CANCEL: _ClassVar[MigrateRequest.Step]
    BEGIN: MigrateRequest.Step
    COMMIT: MigrateRequest.Step
    CANCEL: MigrateRequest.Step
    VETH_FIELD_NUMBER: _ClassVar[int]
    NIC_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    TARGET_HOST_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    veth: int
    nic: _types_pb2.Nic
    step: MigrateRequest.Step
    target_host: str
    timeout_ms: int
    def __init__(self, veth: _Optional[int] = ..., nic: _Optional[_Union[_types_pb2.Nic, _Mapping]] = ..., step: _Optional[_Union[MigrateRequest.Step, str]] = ..., target_host: _Optional[str] = ..., timeout_ms: _Optional[int] = ...) -> None: ...

class MigrateReply(_message.Message):
    __slots__ = ("veth", "state", "generation", "slot")
    VETH_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    veth: int
    state: str
    generation: int
    slot: int
    def __init__(self, veth: _Optional[int] = ..., state: _Optional[str] = ..., generation: _Optional[int] = ..., slot: _Optional[int] = ...) -> None: ...

class ListVethsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListVethsReply(_message.Message):
    __slots__ = ("veths",)
    VETHS_FIELD_NUMBER: _ClassVar[int]
    veths: _containers.RepeatedCompositeFieldContainer[VethInfo]
    def __init__(self, veths: _Optional[_Iterable[_Union[VethInfo, _Mapping]]] = ...) -> None: ...

class VethInfo(_message.Message):
    __slots__ = ("veth", "nic", "mac", "profile", "slot", "host", "state", "reason", "generation", "counters")
    VETH_FIELD_NUMBER: _ClassVar[int]
    NIC_FIELD_NUMBER: _ClassVar[int]
    MAC_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    COUNTERS_FIELD_NUMBER: _ClassVar[int]
    veth: int
    nic: _types_pb2.Nic
    mac: str
    profile: str
    slot: int
    host: str
    state: str
    reason: str
    generation: int
    counters: _types_pb2.Counters
    def __init__(self, veth: _Optional[int] = ..., nic: _Optional[_Union[_types_pb2.Nic, _Mapping]] = ..., mac: _Optional[str] = ..., profile: _Optional[str] = ..., slot: _Optional[int] = ..., host: _Optional[str] = ..., state: _Optional[str] = ..., reason: _Optional[str] = ..., generation: _Optional[int] = ..., counters: _Optional[_Union[_types_pb2.Counters, _Mapping]] = ...) -> None: ...

class HostCommand(_message.Message):
    __slots__ = ("words",)
    WORDS_FIELD_NUMBER: _ClassVar[int]
    words: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, words: _Optional[_Iterable[str]] = ...) -> None: ...

class HostOutput(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class StatusRequest(_message.Message):
    __slots__ = ("macs",)
    MACS_FIELD_NUMBER: _ClassVar[int]
    macs: bool
    def __init__(self, macs: bool = ...) -> None: ...

class StatusReply(_message.Message):
    __slots__ = ("host_uuid", "slot", "engine", "headless", "revision", "ports", "version", "rss_bytes", "macs")
    HOST_UUID_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    HEADLESS_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    PORTS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    RSS_BYTES_FIELD_NUMBER: _ClassVar[int]
    MACS_FIELD_NUMBER: _ClassVar[int]
    host_uuid: str
    slot: int
    engine: str
    headless: bool
    revision: int
    ports: _containers.RepeatedCompositeFieldContainer[HostPort]
    version: str
    rss_bytes: int
    macs: _containers.RepeatedCompositeFieldContainer[HostMac]
    def __init__(self, host_uuid: _Optional[str] = ..., slot: _Optional[int] = ..., engine: _Optional[str] = ..., headless: bool = ..., revision: _Optional[int] = ..., ports: _Optional[_Iterable[_Union[HostPort, _Mapping]]] = ..., version: _Optional[str] = ..., rss_bytes: _Optional[int] = ..., macs: _Optional[_Iterable[_Union[HostMac, _Mapping]]] = ...) -> None: ...

class HostMac(_message.Message):
    __slots__ = ("mac", "vlan", "port", "is_static", "age_s")
    MAC_FIELD_NUMBER: _ClassVar[int]
    VLAN_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    IS_STATIC_FIELD_NUMBER: _ClassVar[int]
    AGE_S_FIELD_NUMBER: _ClassVar[int]
    mac: str
    vlan: int
    port: str
    is_static: bool
    age_s: int
    def __init__(self, mac: _Optional[str] = ..., vlan: _Optional[int] = ..., port: _Optional[str] = ..., is_static: bool = ..., age_s: _Optional[int] = ...) -> None: ...

class HostPort(_message.Message):
    __slots__ = ("lport", "name", "adapter", "state", "vlan", "mac", "pinned_uplink", "counters")
    LPORT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ADAPTER_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    VLAN_FIELD_NUMBER: _ClassVar[int]
    MAC_FIELD_NUMBER: _ClassVar[int]
    PINNED_UPLINK_FIELD_NUMBER: _ClassVar[int]
    COUNTERS_FIELD_NUMBER: _ClassVar[int]
    lport: int
    name: str
    adapter: str
    state: str
    vlan: str
    mac: str
    pinned_uplink: int
    counters: _types_pb2.Counters
    def __init__(self, lport: _Optional[int] = ..., name: _Optional[str] = ..., adapter: _Optional[str] = ..., state: _Optional[str] = ..., vlan: _Optional[str] = ..., mac: _Optional[str] = ..., pinned_uplink: _Optional[int] = ..., counters: _Optional[_Union[_types_pb2.Counters, _Mapping]] = ...) -> None: ...
