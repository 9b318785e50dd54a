from dvswitch.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ModuleMessage(_message.Message):
    __slots__ = ("hello", "ack", "refuse", "heartbeat", "counters", "attached", "detached", "drained", "uplink", "macs", "port", "event", "channels", "neighbors", "seen", "may_take", "niv", "output", "several")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    ACK_FIELD_NUMBER: _ClassVar[int]
    REFUSE_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    COUNTERS_FIELD_NUMBER: _ClassVar[int]
    ATTACHED_FIELD_NUMBER: _ClassVar[int]
    DETACHED_FIELD_NUMBER: _ClassVar[int]
    DRAINED_FIELD_NUMBER: _ClassVar[int]
    UPLINK_FIELD_NUMBER: _ClassVar[int]
    MACS_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    NEIGHBORS_FIELD_NUMBER: _ClassVar[int]
    SEEN_FIELD_NUMBER: _ClassVar[int]
    MAY_TAKE_FIELD_NUMBER: _ClassVar[int]
    NIV_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    SEVERAL_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    ack: Ack
    refuse: Refuse
    heartbeat: Heartbeat
    counters: CounterReport
    attached: PortAttached
    detached: PortDetached
    drained: PortDrained
    uplink: UplinkState
    macs: MacReport
    port: PortState
    event: LogEvent
    channels: ChannelReport
    neighbors: NeighborReport
    seen: PortSeen
    may_take: MayTake
    niv: NivReport
    output: CommandOutput
    several: Several
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., ack: _Optional[_Union[Ack, _Mapping]] = ..., refuse: _Optional[_Union[Refuse, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ..., counters: _Optional[_Union[CounterReport, _Mapping]] = ..., attached: _Optional[_Union[PortAttached, _Mapping]] = ..., detached: _Optional[_Union[PortDetached, _Mapping]] = ..., drained: _Optional[_Union[PortDrained, _Mapping]] = ..., uplink: _Optional[_Union[UplinkState, _Mapping]] = ..., macs: _Optional[_Union[MacReport, _Mapping]] = ..., port: _Optional[_Union[PortState, _Mapping]] = ..., event: _Optional[_Union[LogEvent, _Mapping]] = ..., channels: _Optional[_Union[ChannelReport, _Mapping]] = ..., neighbors: _Optional[_Union[NeighborReport, _Mapping]] = ..., seen: _Optional[_Union[PortSeen, _Mapping]] = ..., may_take: _Optional[_Union[MayTake, _Mapping]] = ..., niv: _Optional[_Union[NivReport, _Mapping]] = ..., output: _Optional[_Union[CommandOutput, _Mapping]] = ..., several: _Optional[_Union[Several, _Mapping]] = ...) -> None: ...

class Several(_message.Message):
    __slots__ = ("messages",)
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[ModuleMessage]
    def __init__(self, messages: _Optional[_Iterable[_Union[ModuleMessage, _Mapping]]] = ...) -> None: ...

class SupervisorMessage(_message.Message):
    __slots__ = ("welcome", "update", "in_sync", "heartbeat", "attach_refused", "install", "may_take", "command", "cancel")
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_FIELD_NUMBER: _ClassVar[int]
    IN_SYNC_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    ATTACH_REFUSED_FIELD_NUMBER: _ClassVar[int]
    INSTALL_FIELD_NUMBER: _ClassVar[int]
    MAY_TAKE_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    CANCEL_FIELD_NUMBER: _ClassVar[int]
    welcome: Welcome
    update: Update
    in_sync: InSync
    heartbeat: Heartbeat
    attach_refused: AttachRefused
    install: InstallState
    may_take: MayTakeAnswer
    command: Command
    cancel: CancelCommand
    def __init__(self, welcome: _Optional[_Union[Welcome, _Mapping]] = ..., update: _Optional[_Union[Update, _Mapping]] = ..., in_sync: _Optional[_Union[InSync, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ..., attach_refused: _Optional[_Union[AttachRefused, _Mapping]] = ..., install: _Optional[_Union[InstallState, _Mapping]] = ..., may_take: _Optional[_Union[MayTakeAnswer, _Mapping]] = ..., command: _Optional[_Union[Command, _Mapping]] = ..., cancel: _Optional[_Union[CancelCommand, _Mapping]] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("protocol", "domain", "host_uuid", "host_name", "type", "engine", "version", "system", "address", "max_ports", "revision", "digest", "incarnation", "mobility", "role", "through", "modes")
    class ModuleType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        VEM: _ClassVar[Hello.ModuleType]
        VIS: _ClassVar[Hello.ModuleType]
    VEM: Hello.ModuleType
    VIS: Hello.ModuleType
    class Role(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        HOST: _ClassVar[Hello.Role]
        CARD: _ClassVar[Hello.Role]
    HOST: Hello.Role
    CARD: Hello.Role
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    HOST_UUID_FIELD_NUMBER: _ClassVar[int]
    HOST_NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    MAX_PORTS_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    MOBILITY_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    THROUGH_FIELD_NUMBER: _ClassVar[int]
    MODES_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    domain: int
    host_uuid: str
    host_name: str
    type: Hello.ModuleType
    engine: str
    version: str
    system: str
    address: str
    max_ports: int
    revision: int
    digest: str
    incarnation: str
    mobility: str
    role: Hello.Role
    through: str
    modes: _containers.RepeatedScalarFieldContainer[_types_pb2.Mode.Kind]
    def __init__(self, protocol: _Optional[int] = ..., domain: _Optional[int] = ..., host_uuid: _Optional[str] = ..., host_name: _Optional[str] = ..., type: _Optional[_Union[Hello.ModuleType, str]] = ..., engine: _Optional[str] = ..., version: _Optional[str] = ..., system: _Optional[str] = ..., address: _Optional[str] = ..., max_ports: _Optional[int] = ..., revision: _Optional[int] = ..., digest: _Optional[str] = ..., incarnation: _Optional[str] = ..., mobility: _Optional[str] = ..., role: _Optional[_Union[Hello.Role, str]] = ..., through: _Optional[str] = ..., modes: _Optional[_Iterable[_Union[_types_pb2.Mode.Kind, str]]] = ...) -> None: ...

class Welcome(_message.Message):
    __slots__ = ("slot", "switch_name", "heartbeat_ms", "counters_ms")
    SLOT_FIELD_NUMBER: _ClassVar[int]
    SWITCH_NAME_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_MS_FIELD_NUMBER: _ClassVar[int]
    COUNTERS_MS_FIELD_NUMBER: _ClassVar[int]
    slot: int
    switch_name: str
    heartbeat_ms: int
    counters_ms: int
    def __init__(self, slot: _Optional[int] = ..., switch_name: _Optional[str] = ..., heartbeat_ms: _Optional[int] = ..., counters_ms: _Optional[int] = ...) -> None: ...

class Update(_message.Message):
    __slots__ = ("revision", "snapshot", "commit", "changes")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    revision: int
    snapshot: bool
    commit: bool
    changes: _containers.RepeatedCompositeFieldContainer[Change]
    def __init__(self, revision: _Optional[int] = ..., snapshot: bool = ..., commit: bool = ..., changes: _Optional[_Iterable[_Union[Change, _Mapping]]] = ...) -> None: ...

class Change(_message.Message):
    __slots__ = ("set_switch", "set_policy", "set_port", "set_uplink", "remove_port", "remove_policy", "remove_uplink", "set_mode")
    SET_SWITCH_FIELD_NUMBER: _ClassVar[int]
    SET_POLICY_FIELD_NUMBER: _ClassVar[int]
    SET_PORT_FIELD_NUMBER: _ClassVar[int]
    SET_UPLINK_FIELD_NUMBER: _ClassVar[int]
    REMOVE_PORT_FIELD_NUMBER: _ClassVar[int]
    REMOVE_POLICY_FIELD_NUMBER: _ClassVar[int]
    REMOVE_UPLINK_FIELD_NUMBER: _ClassVar[int]
    SET_MODE_FIELD_NUMBER: _ClassVar[int]
    set_switch: _types_pb2.Switch
    set_policy: _types_pb2.Policy
    set_port: _types_pb2.Port
    set_uplink: _types_pb2.Uplink
    remove_port: int
    remove_policy: int
    remove_uplink: int
    set_mode: _types_pb2.Mode
    def __init__(self, set_switch: _Optional[_Union[_types_pb2.Switch, _Mapping]] = ..., set_policy: _Optional[_Union[_types_pb2.Policy, _Mapping]] = ..., set_port: _Optional[_Union[_types_pb2.Port, _Mapping]] = ..., set_uplink: _Optional[_Union[_types_pb2.Uplink, _Mapping]] = ..., remove_port: _Optional[int] = ..., remove_policy: _Optional[int] = ..., remove_uplink: _Optional[int] = ..., set_mode: _Optional[_Union[_types_pb2.Mode, _Mapping]] = ...) -> None: ...

class InSync(_message.Message):
    __slots__ = ("revision",)
    REVISION_FIELD_NUMBER: _ClassVar[int]
    revision: int
    def __init__(self, revision: _Optional[int] = ...) -> None: ...

class Ack(_message.Message):
    __slots__ = ("revision", "apply_us")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    APPLY_US_FIELD_NUMBER: _ClassVar[int]
    revision: int
    apply_us: int
    def __init__(self, revision: _Optional[int] = ..., apply_us: _Optional[int] = ...) -> None: ...

class Refuse(_message.Message):
    __slots__ = ("revision", "refusals")
    class Refusal(_message.Message):
        __slots__ = ("object", "reason")
        OBJECT_FIELD_NUMBER: _ClassVar[int]
        REASON_FIELD_NUMBER: _ClassVar[int]
        object: str
        reason: str
        def __init__(self, object: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...
    REVISION_FIELD_NUMBER: _ClassVar[int]
    REFUSALS_FIELD_NUMBER: _ClassVar[int]
    revision: int
    refusals: _containers.RepeatedCompositeFieldContainer[Refuse.Refusal]
    def __init__(self, revision: _Optional[int] = ..., refusals: _Optional[_Iterable[_Union[Refuse.Refusal, _Mapping]]] = ...) -> None: ...

class Command(_message.Message):
    __slots__ = ("id", "words", "live")
    ID_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    LIVE_FIELD_NUMBER: _ClassVar[int]
    id: int
    words: _containers.RepeatedScalarFieldContainer[str]
    live: bool
    def __init__(self, id: _Optional[int] = ..., words: _Optional[_Iterable[str]] = ..., live: bool = ...) -> None: ...

class CancelCommand(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: int
    def __init__(self, id: _Optional[int] = ...) -> None: ...

class CommandOutput(_message.Message):
    __slots__ = ("id", "text", "ok", "more")
    ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    OK_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    id: int
    text: str
    ok: bool
    more: bool
    def __init__(self, id: _Optional[int] = ..., text: _Optional[str] = ..., ok: bool = ..., more: bool = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ("sequence", "revision", "ask", "answers")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    ASK_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    revision: int
    ask: bool
    answers: int
    def __init__(self, sequence: _Optional[int] = ..., revision: _Optional[int] = ..., ask: bool = ..., answers: _Optional[int] = ...) -> None: ...

class CounterReport(_message.Message):
    __slots__ = ("incarnation", "ports")
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    PORTS_FIELD_NUMBER: _ClassVar[int]
    incarnation: str
    ports: _containers.RepeatedCompositeFieldContainer[PortCounters]
    def __init__(self, incarnation: _Optional[str] = ..., ports: _Optional[_Iterable[_Union[PortCounters, _Mapping]]] = ...) -> None: ...

class PortCounters(_message.Message):
    __slots__ = ("veth", "uplink", "generation", "counters")
    VETH_FIELD_NUMBER: _ClassVar[int]
    UPLINK_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    COUNTERS_FIELD_NUMBER: _ClassVar[int]
    veth: int
    uplink: int
    generation: int
    counters: _types_pb2.Counters
    def __init__(self, veth: _Optional[int] = ..., uplink: _Optional[int] = ..., generation: _Optional[int] = ..., counters: _Optional[_Union[_types_pb2.Counters, _Mapping]] = ...) -> None: ...

class PortAttached(_message.Message):
    __slots__ = ("nic", "mac", "profile", "plug", "veth", "generation", "prepare", "request")
    NIC_FIELD_NUMBER: _ClassVar[int]
    MAC_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    PLUG_FIELD_NUMBER: _ClassVar[int]
    VETH_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    PREPARE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    nic: _types_pb2.Nic
    mac: str
    profile: str
    plug: _types_pb2.Plug
    veth: int
    generation: int
    prepare: bool
    request: str
    def __init__(self, nic: _Optional[_Union[_types_pb2.Nic, _Mapping]] = ..., mac: _Optional[str] = ..., profile: _Optional[str] = ..., plug: _Optional[_Union[_types_pb2.Plug, _Mapping]] = ..., veth: _Optional[int] = ..., generation: _Optional[int] = ..., prepare: bool = ..., request: _Optional[str] = ...) -> None: ...

class AttachRefused(_message.Message):
    __slots__ = ("request", "nic", "mac", "reason")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    NIC_FIELD_NUMBER: _ClassVar[int]
    MAC_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    request: str
    nic: _types_pb2.Nic
    mac: str
    reason: str
    def __init__(self, request: _Optional[str] = ..., nic: _Optional[_Union[_types_pb2.Nic, _Mapping]] = ..., mac: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class PortDetached(_message.Message):
    __slots__ = ("veth", "nic", "mac", "generation", "last")
    VETH_FIELD_NUMBER: _ClassVar[int]
    NIC_FIELD_NUMBER: _ClassVar[int]
    MAC_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    veth: int
    nic: _types_pb2.Nic
    mac: str
    generation: int
    last: _types_pb2.Counters
    def __init__(self, veth: _Optional[int] = ..., nic: _Optional[_Union[_types_pb2.Nic, _Mapping]] = ..., mac: _Optional[str] = ..., generation: _Optional[int] = ..., last: _Optional[_Union[_types_pb2.Counters, _Mapping]] = ...) -> None: ...

class PortDrained(_message.Message):
    __slots__ = ("veth", "generation", "last", "carried")
    VETH_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    CARRIED_FIELD_NUMBER: _ClassVar[int]
    veth: int
    generation: int
    last: _types_pb2.Counters
    carried: _containers.RepeatedCompositeFieldContainer[CarriedState]
    def __init__(self, veth: _Optional[int] = ..., generation: _Optional[int] = ..., last: _Optional[_Union[_types_pb2.Counters, _Mapping]] = ..., carried: _Optional[_Iterable[_Union[CarriedState, _Mapping]]] = ...) -> None: ...

class CarriedState(_message.Message):
    __slots__ = ("kind", "version", "data")
    KIND_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    kind: str
    version: int
    data: bytes
    def __init__(self, kind: _Optional[str] = ..., version: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class InstallState(_message.Message):
    __slots__ = ("veth", "generation", "carried")
    VETH_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    CARRIED_FIELD_NUMBER: _ClassVar[int]
    veth: int
    generation: int
    carried: _containers.RepeatedCompositeFieldContainer[CarriedState]
    def __init__(self, veth: _Optional[int] = ..., generation: _Optional[int] = ..., carried: _Optional[_Iterable[_Union[CarriedState, _Mapping]]] = ...) -> None: ...

class PortSeen(_message.Message):
    __slots__ = ("veth", "generation")
    VETH_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    veth: int
    generation: int
    def __init__(self, veth: _Optional[int] = ..., generation: _Optional[int] = ...) -> None: ...

class MayTake(_message.Message):
    __slots__ = ("id", "nic", "mac", "profile")
    ID_FIELD_NUMBER: _ClassVar[int]
    NIC_FIELD_NUMBER: _ClassVar[int]
    MAC_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    id: int
    nic: _types_pb2.Nic
    mac: str
    profile: str
    def __init__(self, id: _Optional[int] = ..., nic: _Optional[_Union[_types_pb2.Nic, _Mapping]] = ..., mac: _Optional[str] = ..., profile: _Optional[str] = ...) -> None: ...

class MayTakeAnswer(_message.Message):
    __slots__ = ("id", "reason", "veth", "index")
    ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    VETH_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    id: int
    reason: str
    veth: int
    index: int
    def __init__(self, id: _Optional[int] = ..., reason: _Optional[str] = ..., veth: _Optional[int] = ..., index: _Optional[int] = ...) -> None: ...

class PortState(_message.Message):
    __slots__ = ("veth", "link_up", "forwarding", "pinned_uplink")
    VETH_FIELD_NUMBER: _ClassVar[int]
    LINK_UP_FIELD_NUMBER: _ClassVar[int]
    FORWARDING_FIELD_NUMBER: _ClassVar[int]
    PINNED_UPLINK_FIELD_NUMBER: _ClassVar[int]
    veth: int
    link_up: bool
    forwarding: bool
    pinned_uplink: int
    def __init__(self, veth: _Optional[int] = ..., link_up: bool = ..., forwarding: bool = ..., pinned_uplink: _Optional[int] = ...) -> None: ...

class UplinkState(_message.Message):
    __slots__ = ("number", "adapter", "profile", "link_up", "present", "mac")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    ADAPTER_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    LINK_UP_FIELD_NUMBER: _ClassVar[int]
    PRESENT_FIELD_NUMBER: _ClassVar[int]
    MAC_FIELD_NUMBER: _ClassVar[int]
    number: int
    adapter: str
    profile: str
    link_up: bool
    present: bool
    mac: str
    def __init__(self, number: _Optional[int] = ..., adapter: _Optional[str] = ..., profile: _Optional[str] = ..., link_up: bool = ..., present: bool = ..., mac: _Optional[str] = ...) -> None: ...

class LogEvent(_message.Message):
    __slots__ = ("kind", "object", "text", "veth")
    KIND_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    VETH_FIELD_NUMBER: _ClassVar[int]
    kind: str
    object: str
    text: str
    veth: int
    def __init__(self, kind: _Optional[str] = ..., object: _Optional[str] = ..., text: _Optional[str] = ..., veth: _Optional[int] = ...) -> None: ...

class MacReport(_message.Message):
    __slots__ = ("macs",)
    MACS_FIELD_NUMBER: _ClassVar[int]
    macs: _containers.RepeatedCompositeFieldContainer[LearnedMac]
    def __init__(self, macs: _Optional[_Iterable[_Union[LearnedMac, _Mapping]]] = ...) -> None: ...

class LearnedMac(_message.Message):
    __slots__ = ("mac", "vlan", "veth", "uplink", "age_s")
    MAC_FIELD_NUMBER: _ClassVar[int]
    VLAN_FIELD_NUMBER: _ClassVar[int]
    VETH_FIELD_NUMBER: _ClassVar[int]
    UPLINK_FIELD_NUMBER: _ClassVar[int]
    AGE_S_FIELD_NUMBER: _ClassVar[int]
    mac: str
    vlan: int
    veth: int
    uplink: int
    age_s: int
    def __init__(self, mac: _Optional[str] = ..., vlan: _Optional[int] = ..., veth: _Optional[int] = ..., uplink: _Optional[int] = ..., age_s: _Optional[int] = ...) -> None: ...

class ChannelReport(_message.Message):
    __slots__ = ("channels",)
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    channels: _containers.RepeatedCompositeFieldContainer[Channel]
    def __init__(self, channels: _Optional[_Iterable[_Union[Channel, _Mapping]]] = ...) -> None: ...

class Channel(_message.Message):
    __slots__ = ("policy", "mode", "members")
    POLICY_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    policy: int
    mode: _types_pb2.ChannelGroup.Mode
    members: _containers.RepeatedCompositeFieldContainer[ChannelMember]
    def __init__(self, policy: _Optional[int] = ..., mode: _Optional[_Union[_types_pb2.ChannelGroup.Mode, str]] = ..., members: _Optional[_Iterable[_Union[ChannelMember, _Mapping]]] = ...) -> None: ...

class ChannelMember(_message.Message):
    __slots__ = ("uplink", "state", "sub_group", "speed_mbps", "lacp")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        DOWN: _ClassVar[ChannelMember.State]
        SUSPENDED: _ClassVar[ChannelMember.State]
        INDIVIDUAL: _ClassVar[ChannelMember.State]
        STANDBY: _ClassVar[ChannelMember.State]
        UP: _ClassVar[ChannelMember.State]
    DOWN: ChannelMember.State
    SUSPENDED: ChannelMember.State
    INDIVIDUAL: ChannelMember.State
    STANDBY: ChannelMember.State
    UP: ChannelMember.State
    UPLINK_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    SUB_GROUP_FIELD_NUMBER: _ClassVar[int]
    SPEED_MBPS_FIELD_NUMBER: _ClassVar[int]
    LACP_FIELD_NUMBER: _ClassVar[int]
    uplink: int
    state: ChannelMember.State
    sub_group: int
    speed_mbps: int
    lacp: LacpPort
    def __init__(self, uplink: _Optional[int] = ..., state: _Optional[_Union[ChannelMember.State, str]] = ..., sub_group: _Optional[int] = ..., speed_mbps: _Optional[int] = ..., lacp: _Optional[_Union[LacpPort, _Mapping]] = ...) -> None: ...

class LacpPort(_message.Message):
    __slots__ = ("actor", "partner", "sent", "received", "malformed", "partner_s")
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    PARTNER_FIELD_NUMBER: _ClassVar[int]
    SENT_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    MALFORMED_FIELD_NUMBER: _ClassVar[int]
    PARTNER_S_FIELD_NUMBER: _ClassVar[int]
    actor: LacpEnd
    partner: LacpEnd
    sent: int
    received: int
    malformed: int
    partner_s: int
    def __init__(self, actor: _Optional[_Union[LacpEnd, _Mapping]] = ..., partner: _Optional[_Union[LacpEnd, _Mapping]] = ..., sent: _Optional[int] = ..., received: _Optional[int] = ..., malformed: _Optional[int] = ..., partner_s: _Optional[int] = ...) -> None: ...

class LacpEnd(_message.Message):
    __slots__ = ("system_priority", "system", "key", "port_priority", "port", "state")
    SYSTEM_PRIORITY_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    PORT_PRIORITY_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    system_priority: int
    system: str
    key: int
    port_priority: int
    port: int
    state: int
    def __init__(self, system_priority: _Optional[int] = ..., system: _Optional[str] = ..., key: _Optional[int] = ..., port_priority: _Optional[int] = ..., port: _Optional[int] = ..., state: _Optional[int] = ...) -> None: ...

class NeighborReport(_message.Message):
    __slots__ = ("neighbors",)
    NEIGHBORS_FIELD_NUMBER: _ClassVar[int]
    neighbors: _containers.RepeatedCompositeFieldContainer[Neighbor]
    def __init__(self, neighbors: _Optional[_Iterable[_Union[Neighbor, _Mapping]]] = ...) -> None: ...

class Neighbor(_message.Message):
    __slots__ = ("uplink", "protocol", "chassis", "port", "port_description", "system_name", "system_description", "platform", "capabilities", "enabled", "management", "native_vlan", "hold_s", "left_s")
    class Protocol(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        LLDP: _ClassVar[Neighbor.Protocol]
        CDP: _ClassVar[Neighbor.Protocol]
    LLDP: Neighbor.Protocol
    CDP: Neighbor.Protocol
    UPLINK_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    CHASSIS_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    PORT_DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_NAME_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    MANAGEMENT_FIELD_NUMBER: _ClassVar[int]
    NATIVE_VLAN_FIELD_NUMBER: _ClassVar[int]
    HOLD_S_FIELD_NUMBER: _ClassVar[int]
    LEFT_S_FIELD_NUMBER: _ClassVar[int]
    uplink: int
    protocol: Neighbor.Protocol
    chassis: str
    port: str
    port_description: str
    system_name: str
    system_description: str
    platform: str
    capabilities: int
    enabled: int
    management: _containers.RepeatedScalarFieldContainer[str]
    native_vlan: int
    hold_s: int
    left_s: int
    def __init__(self, uplink: _Optional[int] = ..., protocol: _Optional[_Union[Neighbor.Protocol, str]] = ..., chassis: _Optional[str] = ..., port: _Optional[str] = ..., port_description: _Optional[str] = ..., system_name: _Optional[str] = ..., system_description: _Optional[str] = ..., platform: _Optional[str] = ..., capabilities: _Optional[int] = ..., enabled: _Optional[int] = ..., management: _Optional[_Iterable[str]] = ..., native_vlan: _Optional[int] = ..., hold_s: _Optional[int] = ..., left_s: _Optional[int] = ...) -> None: ...

class NivReport(_message.Message):
    __slots__ = ("links",)
    LINKS_FIELD_NUMBER: _ClassVar[int]
    links: _containers.RepeatedCompositeFieldContainer[NivLink]
    def __init__(self, links: _Optional[_Iterable[_Union[NivLink, _Mapping]]] = ...) -> None: ...

class NivLink(_message.Message):
    __slots__ = ("uplink", "vis_uuid", "vis_name", "vis_port", "tagging", "state", "reason", "vifs")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        DOWN: _ClassVar[NivLink.State]
        FOUND: _ClassVar[NivLink.State]
        UP: _ClassVar[NivLink.State]
        REFUSED: _ClassVar[NivLink.State]
    DOWN: NivLink.State
    FOUND: NivLink.State
    UP: NivLink.State
    REFUSED: NivLink.State
    class Vif(_message.Message):
        __slots__ = ("veth", "vif", "carries", "vm", "index")
        VETH_FIELD_NUMBER: _ClassVar[int]
        VIF_FIELD_NUMBER: _ClassVar[int]
        CARRIES_FIELD_NUMBER: _ClassVar[int]
        VM_FIELD_NUMBER: _ClassVar[int]
        INDEX_FIELD_NUMBER: _ClassVar[int]
        veth: int
        vif: int
        carries: bool
        vm: str
        index: int
        def __init__(self, veth: _Optional[int] = ..., vif: _Optional[int] = ..., carries: bool = ..., vm: _Optional[str] = ..., index: _Optional[int] = ...) -> None: ...
    UPLINK_FIELD_NUMBER: _ClassVar[int]
    VIS_UUID_FIELD_NUMBER: _ClassVar[int]
    VIS_NAME_FIELD_NUMBER: _ClassVar[int]
    VIS_PORT_FIELD_NUMBER: _ClassVar[int]
    TAGGING_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    VIFS_FIELD_NUMBER: _ClassVar[int]
    uplink: int
    vis_uuid: str
    vis_name: str
    vis_port: str
    tagging: _types_pb2.Mode.Tagging
    state: NivLink.State
    reason: str
    vifs: _containers.RepeatedCompositeFieldContainer[NivLink.Vif]
    def __init__(self, uplink: _Optional[int] = ..., vis_uuid: _Optional[str] = ..., vis_name: _Optional[str] = ..., vis_port: _Optional[str] = ..., tagging: _Optional[_Union[_types_pb2.Mode.Tagging, str]] = ..., state: _Optional[_Union[NivLink.State, str]] = ..., reason: _Optional[str] = ..., vifs: _Optional[_Iterable[_Union[NivLink.Vif, _Mapping]]] = ...) -> None: ...
