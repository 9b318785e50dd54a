"""VIF control on the wire: frames to values (messages.py) and back.

A frame is untagged: 01-80-C2-00-00-0E (no switch forwards it), the port's own MAC, EtherType 0x88B5, "DVSV", version,
a zero byte, the length of what follows, a VifFrame of vif.proto.  What other frames with that EtherType are (beacon
probes) begins otherwise and is told apart by is_control().
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.message import DecodeError

from dvswitch.errors import InvalidValue
from dvswitch.lldp import NEAREST_BRIDGE
from dvswitch.mac import MacAddress
from dvswitch.v1 import types_pb2 as types
from dvswitch.v1 import vif_pb2 as pb
from dvswitch.vif import messages as m

ETHERTYPE = 0x88B5
VERSION = 1
MAGIC = b"DVSV"
MAX_BODY = 1400
"""Bytes of a VifFrame."""
MAX_TEXT = 200
"""Characters of a reason or a name; longer ones are cut.  Bytes of a port-profile's name or a request."""
MAX_NIC = 400
"""Bytes of a NIC's names together."""
_HEAD = struct.Struct("!4sBBH")
_ETHERNET = 14
_MIN_FRAME = 60


def is_control(frame: bytes) -> bool:
    """Whether this is VIF control of any version."""
    return frame[12:18] == ETHERTYPE.to_bytes(2, "big") + MAGIC and frame[:6] == NEAREST_BRIDGE.octets


def encode(source: MacAddress, frame: m.Frame) -> bytes:
    """The frame; InvalidValue when it is larger than MAX_BODY."""
    body = frame_to(frame).SerializeToString()
    if len(body) > MAX_BODY:
        raise InvalidValue("VIF control", f"frame of {len(body)} bytes", f"at most {MAX_BODY} fit")
    head = NEAREST_BRIDGE.octets + source.octets + ETHERTYPE.to_bytes(2, "big")
    return (head + _HEAD.pack(MAGIC, VERSION, 0, len(body)) + body).ljust(_MIN_FRAME, b"\0")


def decode(frame: bytes) -> m.Frame:
    """Read a frame; InvalidValue says what is wrong with it."""
    if not is_control(frame) or len(frame) < _ETHERNET + _HEAD.size:
        raise InvalidValue("VIF control", "is no VIF control frame")
    _, version, _, length = _HEAD.unpack_from(frame, _ETHERNET)
    if version != VERSION:
        raise InvalidValue("VIF control", f"version {version} is not {VERSION}")
    at = _ETHERNET + _HEAD.size
    if at + length > len(frame):
        raise InvalidValue("VIF control", "is cut off")
    message = pb.VifFrame()
    try:
        message.ParseFromString(frame[at : at + length])
    except DecodeError as error:
        raise InvalidValue("VIF control", f"is malformed: {error}") from error
    return frame_from(message)


def size(message: m.Message) -> int:
    """Bytes that a message adds to a frame."""
    length = message_to(message).ByteSize()
    return length + (2 if length < 128 else 3)


def wire(message: m.Message) -> bytes:
    """The message alone, always the same for the same value: what digests are made of."""
    return bytes(message_to(message).SerializeToString(deterministic=True))


# --- frames ---------------------------------------------------------------------------------------------------


def frame_to(frame: m.Frame) -> pb.VifFrame:
    """As vif.proto has it."""
    message = pb.VifFrame(
        instance=frame.instance,
        session=frame.session,
        sequence=frame.sequence,
        acknowledged=frame.acknowledged,
        messages=[message_to(item) for item in frame.messages],
    )
    match frame.control:
        case m.Seek():
            message.seek.SetInParent()
        case m.Hello(uuid, name, uplink, taggings):
            told = [pb.VifTagging.Name(tagging.value) for tagging in taggings]
            message.hello.CopyFrom(pb.VifHello(host_uuid=uuid, host_name=clean(name), uplink=uplink, taggings=told))
        case m.Welcome() as welcome:
            message.welcome.CopyFrom(_welcome_to(welcome))
        case m.Reset(reason):
            message.reset.CopyFrom(pb.VifReset(reason=clean(reason)))
    return message


def frame_from(message: pb.VifFrame) -> m.Frame:
    """InvalidValue when it says what can't be."""
    control: m.Control | None = None
    if message.HasField("hello"):
        control = _hello_from(message.hello)
    elif message.HasField("welcome"):
        control = _welcome_from(message.welcome)
    elif message.HasField("reset"):
        control = m.Reset(clean(message.reset.reason))
    elif message.HasField("seek"):
        control = m.Seek()
    known = [found for item in message.messages if (found := message_from(item)) is not None]
    return m.Frame(message.instance, message.session, message.sequence, message.acknowledged, tuple(known), control)


def _hello_from(hello: pb.VifHello) -> m.Hello:
    known = {tagging.value: tagging for tagging in m.Tagging}
    taggings = tuple(known[number] for number in hello.taggings if number in known)
    if not hello.host_uuid or not 1 <= hello.uplink <= 255:
        raise InvalidValue("VIF control", "Hello names no host or no uplink")
    return m.Hello(clean(hello.host_uuid), clean(hello.host_name), hello.uplink, taggings)


def _welcome_to(welcome: m.Welcome) -> pb.VifWelcome:
    return pb.VifWelcome(
        instance=welcome.instance,
        vis_uuid=welcome.vis_uuid,
        vis_name=clean(welcome.vis_name),
        port=clean(welcome.port),
        tagging=pb.VifTagging.Name(welcome.tagging.value),
        last_vif=welcome.last_vif,
        keep_alive_ms=round(welcome.keep_alive * 1000),
    )


def _welcome_from(welcome: pb.VifWelcome) -> m.Welcome:
    if welcome.tagging not in {tagging.value for tagging in m.Tagging} or not welcome.vis_uuid:
        raise InvalidValue("VIF control", "Welcome names no VIS or no known tagging")
    return m.Welcome(
        welcome.instance,
        clean(welcome.vis_uuid),
        clean(welcome.vis_name),
        clean(welcome.port),
        m.Tagging(welcome.tagging),
        min(welcome.last_vif, m.LAST_VIF),
        max(welcome.keep_alive_ms, 10) / 1000,
    )


def clean(value: str) -> str:
    """Text for people's terminals, whoever sent it, as long as it may be."""
    return "".join(letter if letter.isprintable() else "?" for letter in value[:MAX_TEXT])


# --- messages -------------------------------------------------------------------------------------------------


def message_to(message: m.Message) -> pb.VifMessage:
    """As vif.proto has it."""
    return _WRITERS[type(message)](message)


def message_from(message: pb.VifMessage) -> m.Message | None:
    """None: a message that only newer versions know.  InvalidValue when it says what can't be."""
    kind = message.WhichOneof("message")
    return _READERS[kind](getattr(message, kind)) if kind else None


def _nic_to(nic: m.NicKey) -> types.Nic:
    if sum(len(text.encode()) for text in (nic.vm, nic.vm_uuid, nic.adapter)) > MAX_NIC:
        raise InvalidValue(f"NIC of VM {nic.vm[:20]}...", f"its names have more than {MAX_NIC} bytes")
    return types.Nic(vm=nic.vm, vm_uuid=nic.vm_uuid, index=nic.index, adapter=nic.adapter)


def _nic_from(nic: types.Nic) -> m.NicKey:
    if not nic.vm and not nic.vm_uuid:
        raise InvalidValue("VIF control", "names a NIC without a VM")
    if nic.ByteSize() > MAX_NIC + 20:
        raise InvalidValue("VIF control", f"names a NIC in {nic.ByteSize()} bytes", f"at most {MAX_NIC} fit")
    return m.NicKey(nic.vm, nic.index, nic.vm_uuid, nic.adapter)


def _word(subject: str, value: str) -> str:
    """Text that must arrive as it is."""
    if len(value.encode()) > MAX_TEXT or value != clean(value):
        raise InvalidValue(subject, f"'{clean(value)[:20]}...' is not {MAX_TEXT} bytes of plain text at most")
    return value


def _attach_to(told: m.Attach) -> pb.VifMessage:
    attach = pb.VifAttach(
        nic=_nic_to(told.nic),
        mac=str(told.mac),
        profile=_word("port-profile", told.profile),
        prepare=told.prepare,
        veth=told.veth,
        generation=told.generation,
        request=_word("request", told.request),
        vif=told.vif,
        link_up=told.link_up,
        effective_mac=str(told.effective or ""),
        moves=told.moves,
        in_force=told.in_force,
    )
    return pb.VifMessage(attach=attach)


def _attach_from(told: pb.VifAttach) -> m.Attach:
    return m.Attach(
        _nic_from(told.nic),
        MacAddress.station(told.mac),
        _word("port-profile", told.profile),
        told.prepare,
        told.veth,
        told.generation,
        _word("request", told.request),
        _vif(told.vif),
        told.link_up,
        MacAddress.station(told.effective_mac) if told.effective_mac else None,
        told.moves,
        told.in_force,
    )


def _vif(number: int) -> int:
    if number > m.LAST_VIF:
        raise InvalidValue("VIF control", f"VIF {number} is out of range 1-{m.LAST_VIF}")
    return number


def _granted_to(told: m.Granted) -> pb.VifMessage:
    granted = pb.VifGranted(
        nic=_nic_to(told.nic),
        vif=told.vif,
        veth=told.veth,
        generation=told.generation,
        phase=pb.VifGranted.Phase.Name(told.phase.value),
        state=pb.VifGranted.State.Name(told.state.value),
        detail=clean(told.detail),
        request=_word("request", told.request),
    )
    return pb.VifMessage(granted=granted)


def _granted_from(told: pb.VifGranted) -> m.Granted:
    try:
        phase, state = m.Phase(told.phase), m.State(told.state)
    except ValueError as error:
        raise InvalidValue("VIF control", f"Granted: {error}") from error
    return m.Granted(
        _nic_from(told.nic),
        _vif(told.vif),
        told.veth,
        told.generation,
        phase,
        state,
        clean(told.detail),
        _word("request", told.request),
    )


def _list_to(told: m.ListTold) -> pb.VifMessage:
    if not told.vifs:
        return pb.VifMessage(list=pb.VifList(id=told.id))
    first = told.vifs[0] // 8
    bits = bytearray(told.vifs[-1] // 8 - first + 1)
    for vif in told.vifs:
        bits[vif // 8 - first] |= 1 << vif % 8
    return pb.VifMessage(list=pb.VifList(id=told.id, first_byte=first, members=bytes(bits)))


def _list_from(told: pb.VifList) -> m.ListTold:
    if not m.FIRST_LIST <= told.id <= m.LAST_LIST:
        raise InvalidValue("VIF control", f"list {told.id} is out of range {m.FIRST_LIST}-{m.LAST_LIST}")
    if told.first_byte + len(told.members) > (m.LAST_VIF + 1) // 8:
        raise InvalidValue("VIF control", f"list {told.id} has VIFs beyond {m.LAST_VIF}")
    members = [
        8 * (told.first_byte + at) + bit for at, byte in enumerate(told.members) for bit in range(8) if byte >> bit & 1
    ]
    return m.ListTold(told.id, tuple(vif for vif in members if vif))


_WRITERS: Mapping[type, Callable[[Any], pb.VifMessage]] = {
    m.Attach: _attach_to,
    m.Detach: lambda told: pb.VifMessage(detach=pb.VifDetach(nic=_nic_to(told.nic))),
    m.Mode: lambda told: pb.VifMessage(mode=pb.VifMode(final=told.final)),
    m.Granted: _granted_to,
    m.Refused: lambda told: pb.VifMessage(
        refused=pb.VifRefused(nic=_nic_to(told.nic), request=told.request, reason=clean(told.reason))
    ),
    m.Released: lambda told: pb.VifMessage(released=pb.VifReleased(nic=_nic_to(told.nic), reason=clean(told.reason))),
    m.ListTold: _list_to,
    m.Synced: lambda told: pb.VifMessage(synced=pb.VifSynced()),
    m.KeepAlive: lambda told: pb.VifMessage(keep_alive=pb.VifKeepAlive(digest=told.digest)),
}
_READERS: Mapping[str, Callable[[Any], m.Message]] = {
    "attach": _attach_from,
    "detach": lambda told: m.Detach(_nic_from(told.nic)),
    "mode": lambda told: m.Mode(told.final),
    "granted": _granted_from,
    "refused": lambda told: m.Refused(_nic_from(told.nic), clean(told.request), clean(told.reason)),
    "released": lambda told: m.Released(_nic_from(told.nic), clean(told.reason)),
    "list": _list_from,
    "synced": lambda told: m.Synced(),
    "keep_alive": lambda told: m.KeepAlive(told.digest),
}
