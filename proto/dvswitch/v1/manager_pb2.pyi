from dvswitch.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ManagerAttachRequest(_message.Message):
    __slots__ = ("nic", "mac", "profile", "port_group")
    NIC_FIELD_NUMBER: _ClassVar[int]
    MAC_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    PORT_GROUP_FIELD_NUMBER: _ClassVar[int]
    nic: _types_pb2.Nic
    mac: str
    profile: str
    port_group: str
    def __init__(self, nic: _Optional[_Union[_types_pb2.Nic, _Mapping]] = ..., mac: _Optional[str] = ..., profile: _Optional[str] = ..., port_group: _Optional[str] = ...) -> None: ...

class AllocateMacRequest(_message.Message):
    __slots__ = ("nic", "mac", "by_hand")
    NIC_FIELD_NUMBER: _ClassVar[int]
    MAC_FIELD_NUMBER: _ClassVar[int]
    BY_HAND_FIELD_NUMBER: _ClassVar[int]
    nic: _types_pb2.Nic
    mac: str
    by_hand: bool
    def __init__(self, nic: _Optional[_Union[_types_pb2.Nic, _Mapping]] = ..., mac: _Optional[str] = ..., by_hand: bool = ...) -> None: ...

class ReleaseMacRequest(_message.Message):
    __slots__ = ("nic",)
    NIC_FIELD_NUMBER: _ClassVar[int]
    nic: _types_pb2.Nic
    def __init__(self, nic: _Optional[_Union[_types_pb2.Nic, _Mapping]] = ...) -> None: ...

class MacInfo(_message.Message):
    __slots__ = ("nic", "mac", "automatic", "duplicate", "range", "veth")
    NIC_FIELD_NUMBER: _ClassVar[int]
    MAC_FIELD_NUMBER: _ClassVar[int]
    AUTOMATIC_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    RANGE_FIELD_NUMBER: _ClassVar[int]
    VETH_FIELD_NUMBER: _ClassVar[int]
    nic: _types_pb2.Nic
    mac: str
    automatic: bool
    duplicate: bool
    range: str
    veth: int
    def __init__(self, nic: _Optional[_Union[_types_pb2.Nic, _Mapping]] = ..., mac: _Optional[str] = ..., automatic: bool = ..., duplicate: bool = ..., range: _Optional[str] = ..., veth: _Optional[int] = ...) -> None: ...

class CloneVmRequest(_message.Message):
    __slots__ = ("vm", "vm_uuid", "new_vm", "new_vm_uuid", "answer")
    class Answer(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        UNATTENDED: _ClassVar[CloneVmRequest.Answer]
        COPIED: _ClassVar[CloneVmRequest.Answer]
        MOVED: _ClassVar[CloneVmRequest.Answer]
    UNATTENDED: CloneVmRequest.Answer
    COPIED: CloneVmRequest.Answer
    MOVED: CloneVmRequest.Answer
    VM_FIELD_NUMBER: _ClassVar[int]
    VM_UUID_FIELD_NUMBER: _ClassVar[int]
    NEW_VM_FIELD_NUMBER: _ClassVar[int]
    NEW_VM_UUID_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    vm: str
    vm_uuid: str
    new_vm: str
    new_vm_uuid: str
    answer: CloneVmRequest.Answer
    def __init__(self, vm: _Optional[str] = ..., vm_uuid: _Optional[str] = ..., new_vm: _Optional[str] = ..., new_vm_uuid: _Optional[str] = ..., answer: _Optional[_Union[CloneVmRequest.Answer, str]] = ...) -> None: ...

class CloneVmReply(_message.Message):
    __slots__ = ("vm_uuid", "macs")
    VM_UUID_FIELD_NUMBER: _ClassVar[int]
    MACS_FIELD_NUMBER: _ClassVar[int]
    vm_uuid: str
    macs: _containers.RepeatedCompositeFieldContainer[MacInfo]
    def __init__(self, vm_uuid: _Optional[str] = ..., macs: _Optional[_Iterable[_Union[MacInfo, _Mapping]]] = ...) -> None: ...

class WatchPortGroupsRequest(_message.Message):
    __slots__ = ("manager", "version")
    MANAGER_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    manager: str
    version: str
    def __init__(self, manager: _Optional[str] = ..., version: _Optional[str] = ...) -> None: ...

class PortGroupUpdate(_message.Message):
    __slots__ = ("snapshot", "revision", "added", "changed", "removed")
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    ADDED_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    snapshot: bool
    revision: int
    added: _containers.RepeatedCompositeFieldContainer[PortGroup]
    changed: _containers.RepeatedCompositeFieldContainer[PortGroup]
    removed: _containers.RepeatedCompositeFieldContainer[PortGroup]
    def __init__(self, snapshot: bool = ..., revision: _Optional[int] = ..., added: _Optional[_Iterable[_Union[PortGroup, _Mapping]]] = ..., changed: _Optional[_Iterable[_Union[PortGroup, _Mapping]]] = ..., removed: _Optional[_Iterable[_Union[PortGroup, _Mapping]]] = ...) -> None: ...

class PortGroup(_message.Message):
    __slots__ = ("id", "name", "profile", "type", "description", "min_ports", "max_ports")
    class Type(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        VETHERNET: _ClassVar[PortGroup.Type]
        ETHERNET: _ClassVar[PortGroup.Type]
    VETHERNET: PortGroup.Type
    ETHERNET: PortGroup.Type
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    MIN_PORTS_FIELD_NUMBER: _ClassVar[int]
    MAX_PORTS_FIELD_NUMBER: _ClassVar[int]
    id: int
    name: str
    profile: str
    type: PortGroup.Type
    description: str
    min_ports: int
    max_ports: int
    def __init__(self, id: _Optional[int] = ..., name: _Optional[str] = ..., profile: _Optional[str] = ..., type: _Optional[_Union[PortGroup.Type, str]] = ..., description: _Optional[str] = ..., min_ports: _Optional[int] = ..., max_ports: _Optional[int] = ...) -> None: ...

class ListMacsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListMacsReply(_message.Message):
    __slots__ = ("macs",)
    MACS_FIELD_NUMBER: _ClassVar[int]
    macs: _containers.RepeatedCompositeFieldContainer[MacInfo]
    def __init__(self, macs: _Optional[_Iterable[_Union[MacInfo, _Mapping]]] = ...) -> None: ...

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
    __slots__ = ("veth", "state", "detail", "generation")
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
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    veth: int
    state: AttachReply.State
    detail: str
    generation: int
    def __init__(self, veth: _Optional[int] = ..., state: _Optional[_Union[AttachReply.State, str]] = ..., detail: _Optional[str] = ..., generation: _Optional[int] = ...) -> None: ...

class MayTakeRequest(_message.Message):
    __slots__ = ("nic", "mac", "profile", "wait_ms")
    NIC_FIELD_NUMBER: _ClassVar[int]
    MAC_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    nic: _types_pb2.Nic
    mac: str
    profile: str
    wait_ms: int
    def __init__(self, nic: _Optional[_Union[_types_pb2.Nic, _Mapping]] = ..., mac: _Optional[str] = ..., profile: _Optional[str] = ..., wait_ms: _Optional[int] = ...) -> None: ...

class MayTakeReply(_message.Message):
    __slots__ = ("reason", "veth", "index")
    REASON_FIELD_NUMBER: _ClassVar[int]
    VETH_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    reason: str
    veth: int
    index: int
    def __init__(self, reason: _Optional[str] = ..., veth: _Optional[int] = ..., index: _Optional[int] = ...) -> None: ...

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

class SetMacRequest(_message.Message):
    __slots__ = ("nic", "mac")
    NIC_FIELD_NUMBER: _ClassVar[int]
    MAC_FIELD_NUMBER: _ClassVar[int]
    nic: _types_pb2.Nic
    mac: str
    def __init__(self, nic: _Optional[_Union[_types_pb2.Nic, _Mapping]] = ..., mac: _Optional[str] = ...) -> None: ...

class SetMacReply(_message.Message):
    __slots__ = ("accepted",)
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    accepted: bool
    def __init__(self, accepted: bool = ...) -> None: ...

class MigrateRequest(_message.Message):
    __slots__ = ("veth", "nic", "step", "target_host", "timeout_ms", "requester")
    class Step(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        BEGIN: _ClassVar[MigrateRequest.Step]
        COMMIT: _ClassVar[MigrateRequest.Step]
        CANCEL: _ClassVar[MigrateRequest.Step]
        CHECK: _ClassVar[MigrateRequest.Step]
    BEGIN: MigrateRequest.Step
    COMMIT: MigrateRequest.Step
    CANCEL: MigrateRequest.Step
    CHECK: MigrateRequest.Step
    VETH_FIELD_NUMBER: _ClassVar[int]
    NIC_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    TARGET_HOST_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    REQUESTER_FIELD_NUMBER: _ClassVar[int]
    veth: int
    nic: _types_pb2.Nic
    step: MigrateRequest.Step
    target_host: str
    timeout_ms: int
    requester: str
    def __init__(self, veth: _Optional[int] = ..., nic: _Optional[_Union[_types_pb2.Nic, _Mapping]] = ..., step: _Optional[_Union[MigrateRequest.Step, str]] = ..., target_host: _Optional[str] = ..., timeout_ms: _Optional[int] = ..., requester: _Optional[str] = ...) -> None: ...

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
    __slots__ = ("host_uuid", "slot", "engine", "headless", "revision", "ports", "version", "rss_bytes", "macs", "lacp")
    HOST_UUID_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    HEADLESS_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    PORTS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    RSS_BYTES_FIELD_NUMBER: _ClassVar[int]
    MACS_FIELD_NUMBER: _ClassVar[int]
    LACP_FIELD_NUMBER: _ClassVar[int]
    host_uuid: str
    slot: int
    engine: str
    headless: bool
    revision: int
    ports: _containers.RepeatedCompositeFieldContainer[HostPort]
    version: str
    rss_bytes: int
    macs: _containers.RepeatedCompositeFieldContainer[HostMac]
    lacp: _containers.RepeatedCompositeFieldContainer[HostLacp]
    def __init__(self, host_uuid: _Optional[str] = ..., slot: _Optional[int] = ..., engine: _Optional[str] = ..., headless: bool = ..., revision: _Optional[int] = ..., ports: _Optional[_Iterable[_Union[HostPort, _Mapping]]] = ..., version: _Optional[str] = ..., rss_bytes: _Optional[int] = ..., macs: _Optional[_Iterable[_Union[HostMac, _Mapping]]] = ..., lacp: _Optional[_Iterable[_Union[HostLacp, _Mapping]]] = ...) -> None: ...

class HostLacp(_message.Message):
    __slots__ = ("uplink", "profile", "state", "partner", "partner_key", "partner_port", "churning", "sent", "received", "malformed")
    UPLINK_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PARTNER_FIELD_NUMBER: _ClassVar[int]
    PARTNER_KEY_FIELD_NUMBER: _ClassVar[int]
    PARTNER_PORT_FIELD_NUMBER: _ClassVar[int]
    CHURNING_FIELD_NUMBER: _ClassVar[int]
    SENT_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    MALFORMED_FIELD_NUMBER: _ClassVar[int]
    uplink: int
    profile: str
    state: str
    partner: str
    partner_key: int
    partner_port: int
    churning: bool
    sent: int
    received: int
    malformed: int
    def __init__(self, uplink: _Optional[int] = ..., profile: _Optional[str] = ..., state: _Optional[str] = ..., partner: _Optional[str] = ..., partner_key: _Optional[int] = ..., partner_port: _Optional[int] = ..., churning: bool = ..., sent: _Optional[int] = ..., received: _Optional[int] = ..., malformed: _Optional[int] = ...) -> None: ...

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
