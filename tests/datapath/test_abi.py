"""One layout, three readers: the C compiler, clang -target bpf and cffi must agree on every size and offset."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from dvswitch import drops
from dvswitch.mac import MacAddress
from dvswitch.vlan import VlanSet
from vem.datapath import abi, generate, tables
from vem.datapath.compile import find_cc, multiarch_include
from vem.datapath.counted import Counted
from vem.datapath.engine import EngineError
from vem.datapath.groups import GroupNumbers
from vem.datapath.image import Control, Group, Method, Policy, Port, Storm, Team

MAGIC = 0x5F4C41594F55545F
"""Marks the place of the numbers in an object file, so that none has to be run."""


def members() -> list[tuple[str, str]]:
    """(struct, member) of every member of every struct; ("dvs_port", "") stands for the size."""
    found = []
    for name in abi.struct_names():
        found.append((name, ""))
        found += [(name, member) for member, _ in abi.ffi.typeof(f"struct {name}").fields]
    return found


def as_cffi_sees_it() -> list[int]:
    return [
        abi.ffi.offsetof(f"struct {name}", member) if member else abi.ffi.sizeof(f"struct {name}")
        for name, member in members()
    ]


def as_a_compiler_sees_it(command: list[str], folder: Path) -> list[int]:
    """Compile an array of sizes and offsets, and read it out of the object file."""
    numbers = ", ".join(
        f"__builtin_offsetof(struct {name}, {member})" if member else f"sizeof(struct {name})"
        for name, member in members()
    )
    source, target = folder / "layout.c", folder / "layout.o"
    source.write_text(f'#include "abi.h"\nconst unsigned long long layout[] = {{ {MAGIC:#x}ULL, {numbers} }};\n')
    subprocess.run(
        [*command, f"-I{abi.SOURCES}", *multiarch_include(), "-c", str(source), "-o", str(target)], check=True
    )
    data = target.read_bytes()
    at = data.index(struct.pack("=Q", MAGIC)) + 8
    return list(struct.unpack_from(f"={len(members())}Q", data, at))


def test_the_c_compiler_agrees_with_python(tmp_path: Path) -> None:
    cc = find_cc()
    if not cc:
        pytest.skip("no C compiler")
    assert as_a_compiler_sees_it([cc], tmp_path) == as_cffi_sees_it()


def test_clang_for_bpf_agrees_with_python(tmp_path: Path) -> None:
    if not shutil.which("clang"):
        pytest.skip("clang is not installed")
    assert as_a_compiler_sees_it(["clang", "-target", "bpf", "-O2"], tmp_path) == as_cffi_sees_it()


def test_no_struct_has_hidden_padding() -> None:
    for name in abi.struct_names():
        end = 0
        for member, field in abi.ffi.typeof(f"struct {name}").fields:
            assert field.offset == end, f"a hole before {name}.{member}"
            end += abi.ffi.sizeof(field.type)
        assert end == abi.ffi.sizeof(f"struct {name}"), f"a hole at the end of {name}"


def test_constants_are_numbers() -> None:
    assert abi.MAX_PORTS == 1024
    assert abi.VLAN_ANY == 0xFFFF
    assert abi.CONSTANTS["DVS_POL_BPDU_OK"] == 32


def test_ports_policies_and_teams_survive_packing() -> None:
    port = Port(3, 7, MacAddress.parse("02:00:00:00:00:01"), 9, 1, True, False, True, True, pin=1023)
    assert tables.unpack_port(tables.pack_port(port)) == port
    assert tables.unpack_port(tables.pack_port(None)) is None
    assert tables.port_ifindex(tables.pack_port(port, 12)) == 12
    every_flag = dict.fromkeys(tables._POLICY_FLAGS, True)
    policy = Policy(
        True, 5, VlanSet.parse("0,5,63-65,4094", lowest=0), 3, mac_limit=9, storm=Storm(1, 2, 3), **every_flag
    )
    for value in (policy, Policy(), Policy(vlan=4094)):
        assert tables.unpack_policy(tables.pack_policy(value)) == value
    team = Team(tuple(range(1, 17)), Method.EXPLICIT)
    assert tables.unpack_team(tables.pack_team(team)) == team
    for control in (Control(), Control(9190, False, True, False, True)):
        assert tables.unpack_control(tables.pack_control(control, 1)) == control
        assert tables.control_bank(tables.pack_control(control, 1)) == 1


def test_mac_entries_and_member_lists_survive_packing() -> None:
    mac = MacAddress.parse("02:aa:bb:cc:dd:ee")
    assert tables.unpack_mac_key(tables.pack_mac_key(mac, 7)) == (mac, 7)
    assert tables.mac_key(mac) == int.from_bytes(tables.pack_mac_key(mac), "little")
    assert tables.unpack_mac(tables.pack_mac(5, static=False, seen=1 << 40)) == (5, False, 1 << 40)
    full = tuple(range(1, 1023))
    assert tables.unpack_members(tables.pack_members(full)) == full


def test_groups_survive_packing() -> None:
    for group in (Group(7, bytes([239, 1, 2, 3])), Group(0, bytes.fromhex("ff0e") + bytes(13) + b"\x01")):
        assert tables.unpack_group(tables.pack_group(group)) == group
    with pytest.raises(EngineError, match="5 bytes"):
        tables.pack_group(Group(1, bytes(5)))


def test_group_numbers_are_not_reused_at_once() -> None:
    numbers = GroupNumbers({Group(1, bytes(4)): 0})
    assert [numbers.take(Group(vlan, bytes(4))) for vlan in (1, 2, 2)] == [0, 1, 1]
    assert (numbers.give_back(Group(2, bytes(4))), numbers.give_back(Group(2, bytes(4)))) == (1, None)
    assert numbers.take(Group(3, bytes(4))) == 2
    full = GroupNumbers({Group(n, bytes(4)): n for n in range(abi.MAX_GROUPS)})
    with pytest.raises(EngineError, match="4096 groups"):
        full.take(Group(1, bytes(16)))


def test_features_in_use_follow_from_policies_and_teams() -> None:
    def flags(policy: Policy | None = None, team: Team | None = None, snooping: bool = False) -> int:
        packed = tables.pack_control(Control(snooping=snooping), 0, [policy or Policy()], [team or Team()])
        return int(abi.ffi.from_buffer("struct dvs_control *", packed).flags)

    assert flags() == 0
    assert flags(Policy(promiscuous=True)) == abi.CONSTANTS["DVS_CTL_PROMISCUOUS"]
    assert flags(Policy(storm=Storm(multicast=1))) == abi.CONSTANTS["DVS_CTL_STORM"]
    read_ip, ip_hash = abi.CONSTANTS["DVS_CTL_READ_IP"], abi.CONSTANTS["DVS_CTL_IP_HASH"]
    assert flags(team=Team((1,), Method.IP_HASH)) == read_ip | ip_hash
    assert flags(snooping=True) & (read_ip | ip_hash) == read_ip


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(EngineError, match="16"):
        tables.pack_team(Team(tuple(range(1, 18))))
    with pytest.raises(EngineError, match="1022"):
        tables.pack_members(tuple(range(1, 1024)))
    with pytest.raises(EngineError, match="policy 1024"):
        tables.pack_port(Port(1024, 1, MacAddress(bytes(6))))


def test_counters_of_several_cpus_are_added() -> None:
    one = abi.ffi.new("struct dvs_counters *")
    one.rx_frames, one.tx_flooded = 5, 2
    one.drops[0][drops.BY_NAME["RUNT"].number] = 1
    one.drops[1][drops.BY_NAME["STORM"].number] = 3
    data = bytes(abi.ffi.buffer(one))
    counters = tables.unpack_counters(data * 3)
    assert (counters.rx_frames, counters.tx_flooded) == (15, 6)
    assert (counters.drops_in, counters.drops_out) == ({"RUNT": 3}, {"STORM": 9})


def test_counters_are_unpacked_when_they_are_not_what_they_were() -> None:
    one = abi.ffi.new("struct dvs_counters *")
    one.rx_frames = 5
    counted, data = Counted(), bytes(abi.ffi.buffer(one))
    first = counted.of(1, data * 2)
    assert first.rx_frames == 10 and counted.of(1, data * 2) is first
    assert counted.of(2, data).rx_frames == 5, "another port's"
    one.drops[0][drops.BY_NAME["RUNT"].number] = 1
    later = counted.of(1, data + bytes(abi.ffi.buffer(one)))
    assert (later.rx_frames, later.drops_in) == (10, {"RUNT": 1})
    assert counted.of(1, data * 2) == first, "they were cleared"


# --- the drop reasons ----------------------------------------------------------------------------------------------


def test_the_generated_drop_reasons_are_up_to_date() -> None:
    assert generate.TARGET.read_text() == generate.render(generate.SOURCE.read_text())


def test_drop_numbers_are_those_of_the_c_enum(tmp_path: Path) -> None:
    cc = find_cc()
    if not cc:
        pytest.skip("no C compiler")
    checks = "\n".join(
        f'_Static_assert(DVS_DROP_{reason.name} == {reason.number}, "{reason.name}");' for reason in drops.REASONS
    )
    count = f'_Static_assert(DVS_DROP_COUNT == {len(drops.REASONS) + 1}, "count");'
    source = tmp_path / "drops.c"
    source.write_text(f'#include "abi.h"\n{checks}\n{count}\n')
    subprocess.run([cc, f"-I{abi.SOURCES}", "-fsyntax-only", str(source)], check=True)


def test_every_drop_reason_has_a_word_and_a_sentence() -> None:
    assert drops.BY_WORD["reverse-teaming"].name == "REVERSE_TEAMING"
    assert len(drops.BY_WORD) == len(drops.BY_NAME) == len(drops.REASONS)
    assert all(reason.sentence for reason in drops.REASONS)
