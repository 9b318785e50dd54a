"""Virtual MAC addresses: ranges, the generator, and the registry of who has which (S-260 to S-276)."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dvswitch.errors import Conflict, DvsError, InvalidValue, NotFound
from dvswitch.mac import MacAddress
from tests.support.examples import many
from vsm.model import lifecycle, macs
from vsm.model.macs import Answer, Machine, Range, allocated, classify, duplicated, generate, manager_id, reserved
from vsm.model.state import Config, Inventory, MacLease, Module, Nic, PortProfile, State
from vsm.policy.check import check

RANDOM = Random(1)
WEB = {"WEB": PortProfile("WEB", policy_id=1, max_ports=1000)}


def switch(prefix: str = "52:54:00") -> State:
    modules = {3: Module(3, "1d2f8a10-55aa-4c1e-9a41-0c0ffee00033")}
    return State(Config(profiles=WEB, mac_prefix=prefix), Inventory(modules=modules))


def mac(text: str) -> MacAddress:
    return MacAddress.parse(text)


def mac_of(state: State, nic: Nic) -> MacAddress:
    return macs.entry_of(state, nic).lease.mac


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("00:0c:29:4f:2e:05", Range.STANDALONE),
        ("00:50:56:00:00:00", Range.STATIC),
        ("00:50:56:3f:ff:ff", Range.STATIC),
        ("00:50:56:40:00:00", Range.UNDOCUMENTED),
        ("00:50:56:7f:ff:ff", Range.UNDOCUMENTED),
        ("00:50:56:80:00:00", Range.MANAGER),
        ("00:50:56:bf:ff:ff", Range.MANAGER),
        ("00:50:56:c0:00:08", Range.UNDOCUMENTED),
        ("00:50:56:ff:ff:ff", Range.UNDOCUMENTED),
        ("00:05:69:00:00:01", Range.OLD_VMWARE),
        ("52:54:00:12:34:56", Range.KVM),
        ("00:16:3e:00:00:01", Range.XEN),
        ("00:15:5d:00:00:01", Range.HYPER_V),
        ("02:00:00:00:00:01", Range.LOCAL),
        ("80:61:5f:00:00:01", Range.PHYSICAL),
    ],
)
def test_ranges(address: str, expected: Range) -> None:
    """S-260, S-261, S-262, S-263, S-264, S-265, S-275."""
    assert classify(mac(address)) is expected


def test_the_managers_number_is_in_the_fourth_octet() -> None:
    """S-262: 0x80 + id, not 80 + id."""
    assert manager_id(mac("00:50:56:9d:43:42")) == 29
    assert manager_id(mac("00:50:56:80:00:00")) == 0
    assert manager_id(mac("00:50:56:c0:00:00")) is None


@pytest.mark.parametrize("text", ["52:54:00", "02", "fe:00:00:00:01", "02-AA"])
def test_prefixes_for_local_use(text: str) -> None:
    assert macs.check_prefix(text) == text.lower().replace("-", ":")


@pytest.mark.parametrize("text", ["00:50:56:40", "53:54:00", "01", "", "52:54:00:00:00:00", "5254", "x2", "52:54:"])
def test_other_prefixes_are_refused(text: str) -> None:
    """S-263, S-266: nothing is made outside the space for local use."""
    with pytest.raises(InvalidValue) as refusal:
        macs.check_prefix(text)
    assert f"mac pool prefix {text}" in str(refusal.value)
    with pytest.raises(InvalidValue):
        check(State(Config(mac_prefix=text)))


@given(st.sampled_from(["52:54:00", "02", "fe:00:00:00:01", "0a:00:50:56"]), st.integers())
def test_made_addresses_are_for_local_use(prefix: str, seed: int) -> None:
    """S-266, S-263."""
    made = generate(prefix, set(), Random(seed))
    assert str(made).startswith(prefix) and made.octets[0] & 3 == 2
    assert MacAddress.station(str(made)) == made
    assert classify(made) in (Range.KVM, Range.LOCAL)


def test_a_pool_is_used_up_to_the_last_address() -> None:
    taken: set[MacAddress] = set()
    for _ in range(256):
        taken.add(generate("02:00:00:00:00", taken, RANDOM))
    assert len(taken) == 256
    with pytest.raises(Conflict) as refusal:
        generate("02:00:00:00:00", taken, RANDOM)
    assert "mac pool 02:00:00:00:00: all 256 addresses are taken" in str(refusal.value)


def test_a_nic_keeps_its_automatic_address() -> None:
    """S-273, S-276: given before the first power-on, the same ever after."""
    nic = Nic("vm1")
    state = allocated(switch(), nic, RANDOM)
    first = mac_of(state, nic)
    assert allocated(state, nic, RANDOM) is state
    state = lifecycle.placed(lifecycle.provisioned(state, nic, first, "WEB"), 1, 3)
    state = lifecycle.released(state, 1)
    assert mac_of(allocated(state, nic, RANDOM), nic) == first
    assert macs.entry_of(state, nic).lease.automatic


@pytest.mark.parametrize("running", [True, False])
def test_duplicates_of_registered_nics(running: bool) -> None:
    """S-268: by hand refused naming the owner, automatic ones made anew; whether the owner runs or not."""
    owner, other = Nic("vm1"), Nic("vm2", 1)
    taken = mac("52:54:00:00:00:01")
    state = lifecycle.provisioned(switch(), owner, taken, "WEB")
    if running:
        state = lifecycle.placed(state, 1, 3)
    told = r"MAC address 52:54:00:00:00:01 of NIC 1 of VM vm2: belongs to vethernet 1, NIC 0 of VM vm1"
    with pytest.raises(Conflict, match=told):
        reserved(state, other, taken)
    with pytest.raises(Conflict, match=told):
        lifecycle.provisioned(state, other, taken, "WEB")
    state = allocated(state, other, RANDOM, wish=taken)
    assert mac_of(state, other) != taken
    free = mac("52:54:00:00:00:99")
    assert mac_of(allocated(state, Nic("vm3"), RANDOM, wish=free), Nic("vm3")) == free


def test_an_address_that_only_a_lease_has_is_taken_too() -> None:
    nic = Nic("vm1")
    state = reserved(switch(), nic, mac("52:54:00:00:00:01"))
    with pytest.raises(Conflict, match="belongs to NIC 0 of VM vm1"):
        lifecycle.provisioned(state, Nic("vm2"), mac("52:54:00:00:00:01"), "WEB")
    assert lifecycle.provisioned(state, nic, mac("52:54:00:00:00:01"), "WEB").inventory.veths


@pytest.mark.parametrize("text", ["00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01"])
def test_what_no_nic_may_have(text: str) -> None:
    """S-267."""
    with pytest.raises(InvalidValue):
        reserved(switch(), Nic("vm1"), mac(text))


def original() -> State:
    """A VM with an automatic and a hand-made address, both plugged in."""
    state = allocated(switch(), Nic("vm1", 0, "", "uuid-1"), RANDOM)
    automatic = mac_of(state, Nic("vm1", 0, "", "uuid-1"))
    state = lifecycle.provisioned(state, Nic("vm1", 0, "net0", "uuid-1"), automatic, "WEB")
    return lifecycle.provisioned(state, Nic("vm1", 1, "net1", "uuid-1"), mac("02:00:00:00:00:01"), "WEB")


@pytest.mark.parametrize("answer", [Answer.COPIED, Answer.UNATTENDED])
def test_a_copy_gets_new_automatic_addresses(answer: Answer) -> None:
    """S-270, S-272, S-276."""
    before = original()
    state, (first, second) = duplicated(before, Machine("", "uuid-1"), Machine("vm2"), answer, RANDOM)
    assert first.nic.vm_uuid == second.nic.vm_uuid not in ("", "uuid-1") and first.nic.vm == "vm2"
    assert first.automatic and first.mac not in macs.taken(before)
    assert (second.mac, second.automatic, second.duplicate) == (mac("02:00:00:00:00:01"), False, True)
    with pytest.raises(Conflict, match="belongs to vethernet 2, NIC 1 of VM vm1"):
        lifecycle.provisioned(state, second.nic, second.mac, "WEB")
    again = lifecycle.provisioned(state, before.inventory.veths[2].nic, second.mac, "WEB")
    assert again.inventory.veths == state.inventory.veths, "the original is not disturbed"


def test_a_kept_address_is_the_copys_once_the_original_is_gone() -> None:
    state, (_, kept) = duplicated(original(), Machine("", "uuid-1"), Machine("vm2"), Answer.COPIED, RANDOM)
    veths = {number: veth for number, veth in state.inventory.veths.items() if number != 2}
    state = replace(state, inventory=replace(state.inventory, veths=veths))
    state = lifecycle.provisioned(state, kept.nic, kept.mac, "WEB")
    assert not state.inventory.mac_leases[kept.nic.key].duplicate


def test_a_moved_machine_keeps_everything() -> None:
    """S-271."""
    before = original()
    state, leases = duplicated(before, Machine("", "uuid-1"), Machine("renamed"), Answer.MOVED, RANDOM)
    assert [lease.mac for lease in leases] == [veth.mac for veth in before.inventory.veths.values()]
    assert {lease.nic.vm_uuid for lease in leases} == {"uuid-1"} and {lease.nic.vm for lease in leases} == {"renamed"}
    assert macs.taken(state) == macs.taken(before)


def test_copies_of_what_is_not_known_or_known_twice() -> None:
    state, made = duplicated(original(), Machine("", "uuid-1"), Machine("vm2", "uuid-2"), Answer.COPIED, RANDOM)
    with pytest.raises(NotFound, match="VM nobody: has no NIC that is known"):
        duplicated(state, Machine("nobody"), Machine("vm3"), Answer.COPIED, RANDOM)
    with pytest.raises(Conflict, match="VM vm2: has NICs already under UUID uuid-2"):
        duplicated(state, Machine("", "uuid-1"), Machine("vm2", "uuid-2"), Answer.COPIED, RANDOM)
    assert made[0].nic.vm_uuid == "uuid-2"


def test_only_unused_addresses_are_given_back() -> None:
    state = allocated(switch(), Nic("vm1"), RANDOM)
    assert macs.released(state, Nic("vm1")).inventory.mac_leases == {}
    state = lifecycle.provisioned(state, Nic("vm1"), mac_of(state, Nic("vm1")), "WEB")
    with pytest.raises(Conflict, match="NIC 0 of VM vm1: has vethernet 1; detach the NIC and remove the interface"):
        macs.released(state, Nic("vm1"))
    with pytest.raises(NotFound, match="NIC 0 of VM vm9"):
        macs.released(state, Nic("vm9"))


# ---- whatever is done, in whatever order

NICS = st.builds(Nic, st.sampled_from(["a", "b", "c"]), st.integers(0, 1), st.just(""), st.sampled_from(["", "u1"]))
MACHINES = st.builds(Machine, st.sampled_from(["a", "b", "c", "d"]), st.sampled_from(["", "u1", "u2"]))
ADDRESSES = st.integers(0, 9).map(lambda n: MacAddress(bytes([2, 0, 0, 0, 0, n])))
STEPS = st.one_of(
    st.tuples(st.just("allocate"), NICS, st.none() | ADDRESSES),
    st.tuples(st.just("reserve"), NICS, ADDRESSES),
    st.tuples(st.just("attach"), NICS, st.none() | ADDRESSES),
    st.tuples(st.just("unplug"), NICS, st.none()),
    st.tuples(st.just("remove"), NICS, st.none()),
    st.tuples(st.just("release"), NICS, st.none()),
    st.tuples(st.sampled_from(Answer), MACHINES, MACHINES),
)


def done(state: State, what: object, subject: object, value: object, random: Random) -> State:
    """One step of a random program."""
    if isinstance(what, Answer):
        assert isinstance(subject, Machine) and isinstance(value, Machine)
        return duplicated(state, subject, value, what, random)[0]
    assert isinstance(subject, Nic) and (value is None or isinstance(value, MacAddress))
    veths = state.inventory.veths
    mine = [veth.number for veth in veths.values() if veth.nic.key == subject.key]
    match what:
        case "allocate":
            return allocated(state, subject, random, value)
        case "reserve" if value:
            return reserved(state, subject, value)
        case "attach":
            state = state if value else allocated(state, subject, random)
            state = lifecycle.provisioned(state, subject, value or mac_of(state, subject), "WEB")
            found = lifecycle.find_veth(state, subject, value or mac_of(state, subject))
            return lifecycle.placed(state, found.number, 3) if found and found.slot is None else state
        case "unplug" if mine:
            return lifecycle.released(state, mine[0])
        case "remove" if mine and veths[mine[0]].slot is None:
            rest = {number: veth for number, veth in veths.items() if number != mine[0]}
            return macs.given_back(replace(state, inventory=replace(state.inventory, veths=rest)), subject)
        case "release":
            return macs.released(state, subject)
    return state


@given(st.lists(STEPS, max_size=25), st.integers(0, 1 << 32))
@settings(max_examples=many(300))
def test_no_two_nics_ever_have_one_address(program: list[tuple[object, object, object]], seed: int) -> None:
    """S-268, S-274: over create, attach, copy, move, unplug and remove; the pool collides with addresses by hand."""
    state, random = switch("02:00:00:00:00"), Random(seed)
    for step in program:
        before = state
        try:
            state = done(state, *step, random)
        except DvsError:
            assert state is before
            continue
        owners: dict[MacAddress, set[tuple[str, int]]] = {}
        for entry in macs.registry(state):
            if not entry.lease.duplicate:
                owners.setdefault(entry.lease.mac, set()).add(entry.lease.nic.key)
        assert all(len(keys) == 1 for keys in owners.values()), (step, owners)
        for key, lease in state.inventory.mac_leases.items():
            assert isinstance(lease, MacLease) and key == lease.nic.key
