"""The life of modules, uplinks and vEths, as pure functions State -> State.

What hosts and managers report comes in here (from vsm/fabric and vsm/api) and becomes inventory; what modules should
have is worked out from that elsewhere (vsm/policy).  A function either returns the next State or raises a DvsError that
names the object; a report that changes nothing returns the very same State.

A vEth is the identity of a NIC: the same VM, NIC index and MAC address find the same number for as long as the record
exists, wherever they are plugged in.  Its place is (slot, generation); every change of place raises the generation.
How it changes place while it is plugged in is the business of vsm/mobility.
"""

from __future__ import annotations

from dataclasses import replace

from dvswitch.errors import Conflict, InvalidValue, NotFound, Unavailable
from dvswitch.mac import MacAddress
from vsm.model import macs
from vsm.model.interfaces import Ethernet, Vethernet
from vsm.model.migration import MAX_HISTORY, Move, MoveState, PastMove
from vsm.model.niv import DVS
from vsm.model.overrides import override
from vsm.model.state import (
    FIRST_SLOT,
    LAST_SLOT,
    MAX_VETH,
    Config,
    Module,
    Nic,
    PortProfile,
    ProfileType,
    State,
    Uplink,
    VemSlot,
    Veth,
)

# ---- modules and uplinks


def joined(state: State, domain: int, module: Module) -> State:
    """A module said hello: give it its slot (``module.slot`` is ignored).

    The slot is the one bound to the host's UUID (by an earlier Hello or by the operator), else the lowest free one, and
    is from then on part of the configuration.  Conflict for a foreign domain or when no slot is left.
    """
    name = module.host_name or module.host_uuid
    if not module.host_uuid:
        raise InvalidValue(f"module {name}", "tells no host UUID", "set one on the host")
    if domain != state.config.domain:
        raise Conflict(
            f"module {name}",
            f"belongs to domain {domain}, this supervisor to domain {state.config.domain}",
            f"set domain {state.config.domain} on the host, or connect it to its own supervisor",
        )
    slot = slot_of_host(state.config, module.host_uuid)
    config = state.config
    _check_type(state, slot, module)
    if slot is None:
        slot = _free_slot(config, name)
        config = replace(config, slots={**config.slots, slot: VemSlot(slot, module.host_uuid)})
    inventory = state.inventory
    known = replace(module, slot=slot)
    if inventory.modules.get(slot) != known:
        inventory = replace(inventory, modules={**inventory.modules, slot: known})
    if config is state.config and inventory is state.inventory:
        return state
    return replace(state, config=config, inventory=inventory)


def _check_type(state: State, slot: int | None, module: Module) -> None:
    """A host does not become a VIS while it is used as a host."""
    if slot is None or module.type != "VIS":
        return
    if any(veth.slot == slot for veth in state.inventory.veths.values()):
        raise Conflict(f"module {slot}", "says that it is a VIS, but has vEths", "detach its NICs first")
    if state.config.slots[slot].mode != DVS:
        raise Conflict(f"module {slot}", "says that it is a VIS, but has a mode", f"say 'no mode' in 'vem {slot}'")


def slot_of_host(config: Config, host_uuid: str) -> int | None:
    """The slot bound to a host, or None."""
    wanted = host_uuid.lower()
    return next((slot.slot for slot in config.slots.values() if slot.host_uuid.lower() == wanted), None)


def uplink_seen(state: State, uplink: Uplink) -> State:
    """A module reports an uplink, or a change of one; InvalidValue for a number out of range."""
    Ethernet(uplink.slot, uplink.number)
    key = (uplink.slot, uplink.number)
    if state.inventory.uplinks.get(key) == uplink:
        return state
    return replace(state, inventory=replace(state.inventory, uplinks={**state.inventory.uplinks, key: uplink}))


def uplink_gone(state: State, slot: int, number: int) -> State:
    """A module reports that an uplink is no longer there."""
    uplinks = {key: uplink for key, uplink in state.inventory.uplinks.items() if key != (slot, number)}
    if len(uplinks) == len(state.inventory.uplinks):
        return state
    return replace(state, inventory=replace(state.inventory, uplinks=uplinks))


# ---- vEths


def find_veth(state: State, nic: Nic, mac: MacAddress | None = None) -> Veth | None:
    """The vEth of a NIC (with this MAC address, if one is given); one that is plugged in is found first."""
    key, octets = nic.key, mac.octets if mac else b""
    # Addresses first: they tell nearly all others apart, and this runs for every attach over all vEths.
    mine = [
        veth
        for veth in state.inventory.veths.values()
        if (mac is None or veth.mac.octets == octets) and veth.nic.key == key
    ]
    return min(mine, key=lambda veth: (veth.slot is None, veth.number), default=None)


def provisioned(state: State, nic: Nic, mac: MacAddress, profile: str) -> State:
    """A manager announces a NIC: make or find its vEth, plugged in nowhere yet.  Idempotent.

    InvalidValue for a MAC address no NIC may have (S-267); Conflict if another NIC has it (S-268), whether that one is
    plugged in or not, or if the profile has no port left; NotFound for a profile that is missing or of another type.
    """
    check_station(mac)
    macs.check_free(state, nic, mac)
    known = find_veth(state, nic, mac)
    _check_profile(state, profile, known)
    if known is None:
        _check_single(state, nic, mac)
        known = Veth(_free_number(state), nic, mac, profile, slot=None, generation=0)
    return macs.taken_up(stored(state, replace(known, nic=nic, profile=profile)), nic, mac)


def placed(state: State, number: int, slot: int) -> State:
    """A vEth that is plugged in nowhere starts a life on ``slot``, with a generation above all it had.

    Conflict when the module is full, Unavailable when it has never joined.
    """
    veth = state.inventory.veths[number]
    check_room(state, slot)
    return stored(state, replace(veth, slot=slot, generation=veth.generation + 1))


def detached(state: State, slot: int, number: int, generation: int) -> State:
    """A NIC was unplugged on the module in ``slot``; the vEth keeps its number.

    A report from a place that the vEth has left changes nothing.  (While it moves: vsm/mobility/reports.py.)
    """
    veth = state.inventory.veths.get(number)
    if veth is None or veth.slot != slot or generation < veth.generation:
        return state
    return stored(state, replace(veth, slot=None))


def released(state: State, number: int) -> State:
    """A manager says that the NIC is gone from where it is (for good); a move of it ends."""
    veth = state.inventory.veths.get(number)
    if veth is None:
        raise NotFound(f"vethernet {number}", "does not exist")
    state = with_move(state, number, None)
    # A higher generation: the host may still have the NIC, and must not claim its place back when it reconnects.
    return stored(state, replace(veth, slot=None, generation=veth.generation + 1)) if veth.slot is not None else state


def check_station(mac: MacAddress) -> MacAddress:
    """``mac`` if a NIC may own it, else InvalidValue (S-267)."""
    return MacAddress.station(str(mac))


def check_room(state: State, slot: int) -> None:
    """Raise unless the module in ``slot`` can hold one more port."""
    module = state.inventory.modules.get(slot)
    if module is None:
        raise Unavailable(f"module {slot}", "has not joined", "start its agent")
    if module.type == "VIS":
        raise Unavailable(f"module {slot} ({module.host_name})", "is a VIS", "NICs are plugged in on its hosts")
    if module.max_ports:
        used = sum(1 for veth in state.inventory.veths.values() if veth.slot == slot)
        used += sum(1 for move in state.inventory.moves.values() if move.target == slot and _comes(state, move))
        if used >= module.max_ports:
            raise Conflict(f"module {slot} ({module.host_name})", f"all {module.max_ports} ports are in use")


def _comes(state: State, move: Move) -> bool:
    """Whether the move has a place on its target that the vEth does not have yet."""
    veth = state.inventory.veths.get(move.veth)
    return veth is not None and veth.slot != move.target and move.state is not MoveState.CANCELLED


def stored(state: State, veth: Veth) -> State:
    """``state`` with this record of the vEth; a new one takes up what is said on its interface already."""
    known = state.inventory.veths.get(veth.number)
    if known == veth:
        return state
    inventory = replace(state.inventory, veths={**state.inventory.veths, veth.number: veth})
    state = replace(state, inventory=inventory)
    name = Vethernet(veth.number).full
    if known is None and name in state.config.overrides:
        state = override(state, name, state.config.overrides[name])
    return state


def with_move(state: State, number: int, move: Move | None) -> State:
    """``state`` with this migration of vEth ``number``; None: it has none."""
    if state.inventory.moves.get(number) == move:
        return state
    moves = dict(state.inventory.moves)
    moves.pop(number, None)
    if move is not None:
        moves[number] = move
    return replace(state, inventory=replace(state.inventory, moves=moves))


def with_past(state: State, past: PastMove) -> State:
    """``state`` that remembers this move, which is over; the oldest beyond MAX_HISTORY are forgotten."""
    known = state.inventory.past_moves
    latest = max(known, default=0) + 1
    full = len(known) >= MAX_HISTORY
    kept = {number: move for number, move in known.items() if number > latest - MAX_HISTORY} if full else known
    return replace(state, inventory=replace(state.inventory, past_moves={**kept, latest: past}))


# ---- checks


def _check_single(state: State, nic: Nic, mac: MacAddress) -> None:
    """A NIC has one MAC address at a time."""
    other = find_veth(state, nic)
    if other is not None and other.slot is not None:
        raise Conflict(
            f"{macs.nic_text(nic)} with MAC address {mac}",
            f"is plugged in on module {other.slot} as vethernet {other.number} with MAC address {other.mac}",
            "detach it there first",
        )


def _check_profile(state: State, name: str, veth: Veth | None) -> PortProfile:
    """The vethernet profile ``name``, with room for one more port unless ``veth`` has one already."""
    profile = state.config.profiles.get(name)
    if profile is None:
        raise NotFound(f"port-profile {name}", "does not exist", f"create it with 'port-profile type vethernet {name}'")
    if profile.type is not ProfileType.VETHERNET:
        raise NotFound(f"port-profile {name}", f"is of type {profile.type.value}, a vNIC needs type vethernet")
    if veth is None or veth.profile != name:
        used = sum(1 for other in state.inventory.veths.values() if other.profile == name)
        if used >= profile.max_ports:
            raise Conflict(f"port-profile {name}", f"all {profile.max_ports} ports are in use", "raise its max-ports")
    return profile


# ---- allocation and bookkeeping


def _free_slot(config: Config, name: str) -> int:
    for slot in range(FIRST_SLOT, LAST_SLOT + 1):
        if slot not in config.slots:
            return slot
    raise Conflict(f"module {name}", f"no free slot in {FIRST_SLOT}-{LAST_SLOT}", "remove a slot with 'no vem N'")


def _free_number(state: State) -> int:
    """The lowest vEth number that no record uses."""
    used = state.inventory.veths
    for number in range(1, len(used) + 2):
        if number not in used and number <= MAX_VETH:
            return number
    raise Conflict("vethernet", f"all {MAX_VETH} numbers are in use", "remove unused interfaces")
