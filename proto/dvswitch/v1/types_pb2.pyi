from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Discovery(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NONE: _ClassVar[Discovery]
    LISTEN: _ClassVar[Discovery]
    ADVERTISE: _ClassVar[Discovery]
    BOTH: _ClassVar[Discovery]
NONE: Discovery
LISTEN: Discovery
ADVERTISE: Discovery
BOTH: Discovery

class Policy(_message.Message):
    __slots__ = ("id", "profile", "mode", "vlan", "allowed", "shutdown", "forged_transmits", "mac_changes", "mac_learning", "unknown_flood", "mac_limit", "teaming", "mtu", "promiscuous", "mac_limit_allow", "storm", "team", "bpdu", "channel", "lines")
    class Mode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ACCESS: _ClassVar[Policy.Mode]
        TRUNK: _ClassVar[Policy.Mode]
    ACCESS: Policy.Mode
    TRUNK: Policy.Mode
    class Teaming(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        PORT_ID: _ClassVar[Policy.Teaming]
        SOURCE_MAC: _ClassVar[Policy.Teaming]
        IP_HASH: _ClassVar[Policy.Teaming]
        EXPLICIT: _ClassVar[Policy.Teaming]
        LOAD: _ClassVar[Policy.Teaming]
    PORT_ID: Policy.Teaming
    SOURCE_MAC: Policy.Teaming
    IP_HASH: Policy.Teaming
    EXPLICIT: Policy.Teaming
    LOAD: Policy.Teaming
    class Line(_message.Message):
        __slots__ = ("setting", "where", "text")
        SETTING_FIELD_NUMBER: _ClassVar[int]
        WHERE_FIELD_NUMBER: _ClassVar[int]
        TEXT_FIELD_NUMBER: _ClassVar[int]
        setting: str
        where: str
        text: str
        def __init__(self, setting: _Optional[str] = ..., where: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    VLAN_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_FIELD_NUMBER: _ClassVar[int]
    SHUTDOWN_FIELD_NUMBER: _ClassVar[int]
    FORGED_TRANSMITS_FIELD_NUMBER: _ClassVar[int]
    MAC_CHANGES_FIELD_NUMBER: _ClassVar[int]
    MAC_LEARNING_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_FLOOD_FIELD_NUMBER: _ClassVar[int]
    MAC_LIMIT_FIELD_NUMBER: _ClassVar[int]
    TEAMING_FIELD_NUMBER: _ClassVar[int]
    MTU_FIELD_NUMBER: _ClassVar[int]
    PROMISCUOUS_FIELD_NUMBER: _ClassVar[int]
    MAC_LIMIT_ALLOW_FIELD_NUMBER: _ClassVar[int]
    STORM_FIELD_NUMBER: _ClassVar[int]
    TEAM_FIELD_NUMBER: _ClassVar[int]
    BPDU_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    id: int
    profile: str
    mode: Policy.Mode
    vlan: int
    allowed: str
    shutdown: bool
    forged_transmits: bool
    mac_changes: bool
    mac_learning: bool
    unknown_flood: bool
    mac_limit: int
    teaming: Policy.Teaming
    mtu: int
    promiscuous: bool
    mac_limit_allow: bool
    storm: Storm
    team: Team
    bpdu: bool
    channel: ChannelGroup
    lines: _containers.RepeatedCompositeFieldContainer[Policy.Line]
    def __init__(self, id: _Optional[int] = ..., profile: _Optional[str] = ..., mode: _Optional[_Union[Policy.Mode, str]] = ..., vlan: _Optional[int] = ..., allowed: _Optional[str] = ..., shutdown: bool = ..., forged_transmits: bool = ..., mac_changes: bool = ..., mac_learning: bool = ..., unknown_flood: bool = ..., mac_limit: _Optional[int] = ..., teaming: _Optional[_Union[Policy.Teaming, str]] = ..., mtu: _Optional[int] = ..., promiscuous: bool = ..., mac_limit_allow: bool = ..., storm: _Optional[_Union[Storm, _Mapping]] = ..., team: _Optional[_Union[Team, _Mapping]] = ..., bpdu: bool = ..., channel: _Optional[_Union[ChannelGroup, _Mapping]] = ..., lines: _Optional[_Iterable[_Union[Policy.Line, _Mapping]]] = ...) -> None: ...

class Storm(_message.Message):
    __slots__ = ("broadcast", "multicast", "unknown_unicast")
    BROADCAST_FIELD_NUMBER: _ClassVar[int]
    MULTICAST_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_UNICAST_FIELD_NUMBER: _ClassVar[int]
    broadcast: int
    multicast: int
    unknown_unicast: int
    def __init__(self, broadcast: _Optional[int] = ..., multicast: _Optional[int] = ..., unknown_unicast: _Optional[int] = ...) -> None: ...

class Team(_message.Message):
    __slots__ = ("active", "standby", "unused", "no_failback", "no_notify", "beacon", "pin", "pin_backup", "method")
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    STANDBY_FIELD_NUMBER: _ClassVar[int]
    UNUSED_FIELD_NUMBER: _ClassVar[int]
    NO_FAILBACK_FIELD_NUMBER: _ClassVar[int]
    NO_NOTIFY_FIELD_NUMBER: _ClassVar[int]
    BEACON_FIELD_NUMBER: _ClassVar[int]
    PIN_FIELD_NUMBER: _ClassVar[int]
    PIN_BACKUP_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    active: _containers.RepeatedScalarFieldContainer[int]
    standby: _containers.RepeatedScalarFieldContainer[int]
    unused: _containers.RepeatedScalarFieldContainer[int]
    no_failback: bool
    no_notify: bool
    beacon: bool
    pin: int
    pin_backup: _containers.RepeatedScalarFieldContainer[int]
    method: Policy.Teaming
    def __init__(self, active: _Optional[_Iterable[int]] = ..., standby: _Optional[_Iterable[int]] = ..., unused: _Optional[_Iterable[int]] = ..., no_failback: bool = ..., no_notify: bool = ..., beacon: bool = ..., pin: _Optional[int] = ..., pin_backup: _Optional[_Iterable[int]] = ..., method: _Optional[_Union[Policy.Teaming, str]] = ...) -> None: ...

class ChannelGroup(_message.Message):
    __slots__ = ("mode",)
    class Mode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        NONE: _ClassVar[ChannelGroup.Mode]
        ON: _ClassVar[ChannelGroup.Mode]
        ACTIVE: _ClassVar[ChannelGroup.Mode]
        PASSIVE: _ClassVar[ChannelGroup.Mode]
        MAC_PINNING: _ClassVar[ChannelGroup.Mode]
        MAC_PINNING_RELATIVE: _ClassVar[ChannelGroup.Mode]
    NONE: ChannelGroup.Mode
    ON: ChannelGroup.Mode
    ACTIVE: ChannelGroup.Mode
    PASSIVE: ChannelGroup.Mode
    MAC_PINNING: ChannelGroup.Mode
    MAC_PINNING_RELATIVE: ChannelGroup.Mode
    MODE_FIELD_NUMBER: _ClassVar[int]
    mode: ChannelGroup.Mode
    def __init__(self, mode: _Optional[_Union[ChannelGroup.Mode, str]] = ...) -> None: ...

class Port(_message.Message):
    __slots__ = ("veth", "policy", "mac", "nic", "generation", "phase", "shutdown", "announce", "forward")
    class Phase(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        PREPARED: _ClassVar[Port.Phase]
        ACTIVE: _ClassVar[Port.Phase]
        DRAINING: _ClassVar[Port.Phase]
    PREPARED: Port.Phase
    ACTIVE: Port.Phase
    DRAINING: Port.Phase
    VETH_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    MAC_FIELD_NUMBER: _ClassVar[int]
    NIC_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    SHUTDOWN_FIELD_NUMBER: _ClassVar[int]
    ANNOUNCE_FIELD_NUMBER: _ClassVar[int]
    FORWARD_FIELD_NUMBER: _ClassVar[int]
    veth: int
    policy: int
    mac: str
    nic: Nic
    generation: int
    phase: Port.Phase
    shutdown: bool
    announce: bool
    forward: Forward
    def __init__(self, veth: _Optional[int] = ..., policy: _Optional[int] = ..., mac: _Optional[str] = ..., nic: _Optional[_Union[Nic, _Mapping]] = ..., generation: _Optional[int] = ..., phase: _Optional[_Union[Port.Phase, str]] = ..., shutdown: bool = ..., announce: bool = ..., forward: _Optional[_Union[Forward, _Mapping]] = ...) -> None: ...

class Forward(_message.Message):
    __slots__ = ("id", "key", "seconds", "peer")
    ID_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    id: int
    key: bytes
    seconds: int
    peer: str
    def __init__(self, id: _Optional[int] = ..., key: _Optional[bytes] = ..., seconds: _Optional[int] = ..., peer: _Optional[str] = ...) -> None: ...

class Nic(_message.Message):
    __slots__ = ("vm", "vm_uuid", "index", "adapter")
    VM_FIELD_NUMBER: _ClassVar[int]
    VM_UUID_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ADAPTER_FIELD_NUMBER: _ClassVar[int]
    vm: str
    vm_uuid: str
    index: int
    adapter: str
    def __init__(self, vm: _Optional[str] = ..., vm_uuid: _Optional[str] = ..., index: _Optional[int] = ..., adapter: _Optional[str] = ...) -> None: ...

class Uplink(_message.Message):
    __slots__ = ("number", "policy", "shutdown", "no_cdp")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    SHUTDOWN_FIELD_NUMBER: _ClassVar[int]
    NO_CDP_FIELD_NUMBER: _ClassVar[int]
    number: int
    policy: int
    shutdown: bool
    no_cdp: bool
    def __init__(self, number: _Optional[int] = ..., policy: _Optional[int] = ..., shutdown: bool = ..., no_cdp: bool = ...) -> None: ...

class Switch(_message.Message):
    __slots__ = ("name", "domain", "mtu", "keep_priority_tag", "snooping", "querier_interval_s", "up_delay_ms", "mac_aging_s", "cdp", "lldp", "cdp_timer_s", "cdp_hold_s", "lldp_timer_s", "lldp_hold_s")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    MTU_FIELD_NUMBER: _ClassVar[int]
    KEEP_PRIORITY_TAG_FIELD_NUMBER: _ClassVar[int]
    SNOOPING_FIELD_NUMBER: _ClassVar[int]
    QUERIER_INTERVAL_S_FIELD_NUMBER: _ClassVar[int]
    UP_DELAY_MS_FIELD_NUMBER: _ClassVar[int]
    MAC_AGING_S_FIELD_NUMBER: _ClassVar[int]
    CDP_FIELD_NUMBER: _ClassVar[int]
    LLDP_FIELD_NUMBER: _ClassVar[int]
    CDP_TIMER_S_FIELD_NUMBER: _ClassVar[int]
    CDP_HOLD_S_FIELD_NUMBER: _ClassVar[int]
    LLDP_TIMER_S_FIELD_NUMBER: _ClassVar[int]
    LLDP_HOLD_S_FIELD_NUMBER: _ClassVar[int]
    name: str
    domain: int
    mtu: int
    keep_priority_tag: bool
    snooping: bool
    querier_interval_s: int
    up_delay_ms: int
    mac_aging_s: int
    cdp: Discovery
    lldp: Discovery
    cdp_timer_s: int
    cdp_hold_s: int
    lldp_timer_s: int
    lldp_hold_s: int
    def __init__(self, name: _Optional[str] = ..., domain: _Optional[int] = ..., mtu: _Optional[int] = ..., keep_priority_tag: bool = ..., snooping: bool = ..., querier_interval_s: _Optional[int] = ..., up_delay_ms: _Optional[int] = ..., mac_aging_s: _Optional[int] = ..., cdp: _Optional[_Union[Discovery, str]] = ..., lldp: _Optional[_Union[Discovery, str]] = ..., cdp_timer_s: _Optional[int] = ..., cdp_hold_s: _Optional[int] = ..., lldp_timer_s: _Optional[int] = ..., lldp_hold_s: _Optional[int] = ...) -> None: ...

class Mode(_message.Message):
    __slots__ = ("kind", "tagging")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        DVS: _ClassVar[Mode.Kind]
        NIV: _ClassVar[Mode.Kind]
        VEPA: _ClassVar[Mode.Kind]
    DVS: Mode.Kind
    NIV: Mode.Kind
    VEPA: Mode.Kind
    class Tagging(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        NONE: _ClassVar[Mode.Tagging]
        VNTAG: _ClassVar[Mode.Tagging]
        ETAG: _ClassVar[Mode.Tagging]
    NONE: Mode.Tagging
    VNTAG: Mode.Tagging
    ETAG: Mode.Tagging
    KIND_FIELD_NUMBER: _ClassVar[int]
    TAGGING_FIELD_NUMBER: _ClassVar[int]
    kind: Mode.Kind
    tagging: Mode.Tagging
    def __init__(self, kind: _Optional[_Union[Mode.Kind, str]] = ..., tagging: _Optional[_Union[Mode.Tagging, str]] = ...) -> None: ...

class Counters(_message.Message):
    __slots__ = ("rx_frames", "rx_bytes", "rx_multicast", "rx_broadcast", "rx_forwarded", "rx_copies", "tx_frames", "tx_bytes", "tx_multicast", "tx_broadcast", "tx_flooded", "drops_in", "drops_out", "life")
    class DropsInEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class DropsOutEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    RX_FRAMES_FIELD_NUMBER: _ClassVar[int]
    RX_BYTES_FIELD_NUMBER: _ClassVar[int]
    RX_MULTICAST_FIELD_NUMBER: _ClassVar[int]
    RX_BROADCAST_FIELD_NUMBER: _ClassVar[int]
    RX_FORWARDED_FIELD_NUMBER: _ClassVar[int]
    RX_COPIES_FIELD_NUMBER: _ClassVar[int]
    TX_FRAMES_FIELD_NUMBER: _ClassVar[int]
    TX_BYTES_FIELD_NUMBER: _ClassVar[int]
    TX_MULTICAST_FIELD_NUMBER: _ClassVar[int]
    TX_BROADCAST_FIELD_NUMBER: _ClassVar[int]
    TX_FLOODED_FIELD_NUMBER: _ClassVar[int]
    DROPS_IN_FIELD_NUMBER: _ClassVar[int]
    DROPS_OUT_FIELD_NUMBER: _ClassVar[int]
    LIFE_FIELD_NUMBER: _ClassVar[int]
    rx_frames: int
    rx_bytes: int
    rx_multicast: int
    rx_broadcast: int
    rx_forwarded: int
    rx_copies: int
    tx_frames: int
    tx_bytes: int
    tx_multicast: int
    tx_broadcast: int
    tx_flooded: int
    drops_in: _containers.ScalarMap[str, int]
    drops_out: _containers.ScalarMap[str, int]
    life: int
    def __init__(self, rx_frames: _Optional[int] = ..., rx_bytes: _Optional[int] = ..., rx_multicast: _Optional[int] = ..., rx_broadcast: _Optional[int] = ..., rx_forwarded: _Optional[int] = ..., rx_copies: _Optional[int] = ..., tx_frames: _Optional[int] = ..., tx_bytes: _Optional[int] = ..., tx_multicast: _Optional[int] = ..., tx_broadcast: _Optional[int] = ..., tx_flooded: _Optional[int] = ..., drops_in: _Optional[_Mapping[str, int]] = ..., drops_out: _Optional[_Mapping[str, int]] = ..., life: _Optional[int] = ...) -> None: ...

class Plug(_message.Message):
    __slots__ = ("tap", "veth", "raw", "wire", "netns")
    TAP_FIELD_NUMBER: _ClassVar[int]
    VETH_FIELD_NUMBER: _ClassVar[int]
    RAW_FIELD_NUMBER: _ClassVar[int]
    WIRE_FIELD_NUMBER: _ClassVar[int]
    NETNS_FIELD_NUMBER: _ClassVar[int]
    tap: str
    veth: str
    raw: str
    wire: Wire
    netns: str
    def __init__(self, tap: _Optional[str] = ..., veth: _Optional[str] = ..., raw: _Optional[str] = ..., wire: _Optional[_Union[Wire, _Mapping]] = ..., netns: _Optional[str] = ...) -> None: ...

class Wire(_message.Message):
    __slots__ = ("local", "remote")
    LOCAL_FIELD_NUMBER: _ClassVar[int]
    REMOTE_FIELD_NUMBER: _ClassVar[int]
    local: str
    remote: str
    def __init__(self, local: _Optional[str] = ..., remote: _Optional[str] = ...) -> None: ...
