"""configuration -> text -> configuration is the identity, whatever the configuration."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from dvswitch.errors import DvsError, InvalidValue
from dvswitch.lldp_agent import Mode
from dvswitch.vlan import VlanSet
from tests.support.examples import many
from tests.support.switches import HOSTS, KEY, PASSWORD_HASH, Terminal, state
from vsm.config.parse import load, merge, replace_with
from vsm.config.patch import patch
from vsm.config.render import Detail, Scope, config_text, running_config
from vsm.model.niv import DVS, HostMode, ModeKind, Tagging
from vsm.model.overrides import override
from vsm.model.settings import NO_NATIVE, NOTHING, UNTAGGED, ChannelMode, PortMode, Settings, TeamMethod
from vsm.model.state import Config, Connection, PortProfile, ProfileType, State, VemSlot, Vlan
from vsm.model.users import BUILT_IN, Access, Role, Rule, User
from vsm.policy.check import check
from vsm.policy.inherit import effective

NOW = datetime(2026, 11, 20, 20, 53, 10, tzinfo=UTC)
ROLES = st.sampled_from(["ops", "Ops", "x-1"])
NAMES = st.text("ABCdef019-_.", min_size=1, max_size=8)
TEXTS = st.text("abc XYZ,.!|?'\"", min_size=1, max_size=20).map(lambda text: text.strip()).filter(bool)
BOOLS = st.none() | st.booleans()
VLANS = st.integers(1, 4094)
STORMS = st.none() | st.just(0) | st.integers(1, 10_000_000)
CHANNELS = [mode for mode in ChannelMode if mode is not ChannelMode.NONE]


def vlan_sets() -> st.SearchStrategy[VlanSet]:
    return st.just(VlanSet()) | st.just(VlanSet.all()) | st.sets(VLANS, min_size=1, max_size=6).map(VlanSet.of)


def all_settings(kind: ProfileType) -> st.SearchStrategy[Settings]:
    guests = kind is ProfileType.VETHERNET
    said = st.builds(
        Settings,
        mode=st.none() | st.sampled_from(PortMode),
        access_vlan=st.none() | VLANS | st.just(UNTAGGED),
        native_vlan=st.none() | VLANS | st.sampled_from([UNTAGGED, NO_NATIVE]),
        allowed_vlans=st.none() | vlan_sets(),
        shutdown=BOOLS,
        forged_transmits=BOOLS,
        mac_changes=BOOLS,
        mac_learning=BOOLS,
        unknown_flood=BOOLS,
        mac_limit=st.none() | st.integers(1, 4096),
        mac_limit_allow=st.booleans(),
        **(guest_settings() if guests else uplink_settings()),
    )
    return said.map(settled)


def guest_settings() -> dict[str, st.SearchStrategy[Any]]:
    """Lists of uplinks are drawn from different numbers: most combinations are valid then."""
    return {
        "promiscuous": BOOLS,
        "bpdu_guard": BOOLS,
        "storm_broadcast": STORMS,
        "storm_multicast": STORMS,
        "storm_unknown": STORMS,
        "team_method": st.none() | st.sampled_from(TeamMethod),
        "team_active": st.none() | st.permutations([1, 2, 3]).map(tuple),
        "team_standby": st.none() | st.just(()) | st.permutations([4, 5]).map(tuple),
        "team_unused": st.none() | st.just(()) | st.just((32,)),
        "team_failback": BOOLS,
        "team_notify": BOOLS,
        "team_beacon": st.sampled_from([None, None, False, True]),
        "pin": st.none() | st.integers(8, 32),
        "pin_backup": st.just(()) | st.just((7, 6)),
    }


def uplink_settings() -> dict[str, st.SearchStrategy[Any]]:
    return {"mtu": st.none() | st.integers(1500, 9000), "channel": st.none() | st.sampled_from(CHANNELS), "cdp": BOOLS}


def settled(said: Settings) -> Settings:
    """Without attributes whose other half is not said."""
    if said.mac_limit is None:
        said = replace(said, mac_limit_allow=None)
    return replace(said, pin_backup=None) if said.pin is None else said


@st.composite
def profiles(draw: st.DrawFn) -> dict[str, PortProfile]:
    found: dict[str, PortProfile] = {}
    for name in draw(st.lists(NAMES, unique=True, max_size=5)):
        kind = draw(st.sampled_from(ProfileType))
        parents = [other.name for other in found.values() if other.type is kind]
        max_ports = draw(st.sampled_from([4, 32, 64]))
        said = draw(all_settings(kind))
        access = said.access_vlan if said.mode is PortMode.ACCESS else None
        found[name] = PortProfile(
            name=name,
            type=kind,
            policy_id=100 + len(found),
            description=draw(st.just("") | TEXTS),
            inherit=draw(st.sampled_from(["", *parents])),
            settings=said,
            system_vlans=VlanSet.of([access] if access and draw(st.booleans()) else []),
            l3control=draw(st.booleans()),
            enabled=draw(st.booleans()),
            port_group=draw(st.sampled_from([None, name])),
            max_ports=max_ports,
            min_ports=draw(st.integers(1, max_ports)),
        )
    return found


@st.composite
def configs(draw: st.DrawFn) -> Config:
    numbers = draw(st.sets(st.integers(2, 4094), max_size=6))
    vlans = {1: Vlan(1, "default", draw(st.booleans()), draw(st.booleans()))}
    for number in numbers:
        name = draw(st.sampled_from(["", f"name-{number}"]))
        vlans[number] = Vlan(number, name, draw(st.booleans()), draw(st.booleans()))
    modes = st.sampled_from([DVS, HostMode(ModeKind.NIV, Tagging.ETAG), HostMode(ModeKind.VEPA)])
    slots = draw(st.sampled_from([{}, {5: VemSlot(5, HOSTS[3], draw(modes)), 66: VemSlot(66, HOSTS[4])}]))
    return Config(
        hostname=draw(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,10}", fullmatch=True)),
        domain=draw(st.integers(1, 4095)),
        mtu=draw(st.integers(1280, 9190)),
        keep_priority_tag=draw(st.booleans()),
        port_defaults=draw(st.builds(Settings, promiscuous=BOOLS, mac_changes=BOOLS, forged_transmits=BOOLS)),
        mac_prefix=draw(st.sampled_from(["52:54:00", "02", "fe:00:00:00:01"])),
        cdp=draw(st.sampled_from(Mode)),
        lldp=draw(st.sampled_from(Mode)),
        cdp_timer=draw(st.sampled_from([5, 60])),
        lldp_hold=draw(st.sampled_from([10, 120, 255])),
        mac_aging=draw(st.sampled_from([0, 10, 300, 918000])),
        snooping=draw(st.booleans()),
        query_interval=draw(st.sampled_from([32, 125, 3600])),
        up_delay=draw(st.sampled_from([1, 100, 600000])),
        default_max_ports=draw(st.sampled_from([1, 32, 64])),
        vlans=vlans,
        profiles=draw(profiles()),
        descriptions=draw(
            st.dictionaries(
                st.sampled_from(["Vethernet1", "Ethernet3/1", "Ethernet9/2", "mgmt0", "port-channel1"]), TEXTS
            )
        ),
        slots=slots,
        connections=draw(st.sampled_from([{}, {"KVM": Connection("KVM", True), "VC": Connection("VC")}])),
        **draw(logins()),
    )


@st.composite
def logins(draw: st.DrawFn) -> dict[str, Any]:
    """Users and roles; without the first user, the one that there was is kept."""
    rules = st.builds(
        Rule,
        number=st.integers(1, 256),
        permit=st.booleans(),
        access=st.sampled_from([Access.READ, Access.READ_WRITE]),
        feature=st.sampled_from(["", "vlan", "igmp-snooping"]),
    ) | st.builds(
        Rule,
        number=st.integers(1, 256),
        permit=st.booleans(),
        access=st.just(Access.COMMAND),
        command=st.sampled_from(["show vlan", "vlan *", "* | * ?"]),
    )
    by_number = st.lists(rules, unique_by=lambda rule: rule.number, max_size=3).map(
        lambda found: tuple(sorted(found, key=lambda rule: rule.number))
    )
    roles = {name: Role(name, draw(st.just("") | TEXTS), draw(by_number)) for name in draw(st.sets(ROLES, max_size=2))}
    users = {"admin": User("admin", PASSWORD_HASH, ("network-admin",))}
    held = st.lists(st.sampled_from([*BUILT_IN, *sorted(roles)]), min_size=1, unique=True).map(tuple)
    for name in draw(st.sets(st.sampled_from(["bob", "eve", "o.p-s_1"]), max_size=2)):
        keys = draw(st.sampled_from([(), (KEY,)]))
        users[name] = User(name, draw(st.sampled_from(["", PASSWORD_HASH])), draw(held), keys)
    return {
        "users": users,
        "roles": roles,
        "banner": draw(st.sampled_from(["", "one", "# two\n  lines\n", "!a\n\nvlan 7\n@#"])),
        "console_timeout": draw(st.sampled_from([0, 30, 525600])),
        "ssh": draw(st.booleans()),
        "exec_timeout": draw(st.sampled_from([0, 30, 525600])),
        "session_limit": draw(st.sampled_from([1, 64, 256])),
    }


@st.composite
def switches(draw: st.DrawFn) -> State:
    """The sample switch with any valid configuration."""
    veths = draw(st.dictionaries(st.sampled_from(["Vethernet1", "Vethernet5"]), all_settings(ProfileType.VETHERNET)))
    uplinks = draw(
        st.dictionaries(st.sampled_from(["Ethernet3/1", "Ethernet66/32"]), all_settings(ProfileType.ETHERNET))
    )
    start = state()
    start = replace(
        start, config=draw(configs()), inventory=replace(start.inventory, next_policy_id=200, channels={(3, 4): 1})
    )
    bundles = {"port-channel1": Settings(shutdown=True)} if draw(st.booleans()) else {}
    for name, said in {**veths, **uplinks, **bundles}.items():
        start = override(start, name, said)
    start = override(start, "Vethernet2", NOTHING)
    try:
        check(start)
    except DvsError:
        assume(False)
    return start


MANY = settings(max_examples=many(40))
FEW = settings(MANY, max_examples=many(8), phases=[Phase.explicit, Phase.reuse, Phase.generate])


def without_ids(config: Config) -> Config:
    """Profiles made anew have other policy ids."""
    return replace(config, profiles={name: replace(found, policy_id=0) for name, found in config.profiles.items()})


@given(switches())
@MANY
def test_identity(start: State) -> None:
    assert load(running_config(start, NOW), start) == start


@given(switches())
@FEW
def test_all_says_what_holds(start: State) -> None:
    """`show running-config all` loads, and what it says is in effect already."""
    loaded = load(running_config(start, NOW, Scope(detail=Detail.ALL)), start)
    for name in start.config.profiles:
        assert effective(loaded.config, name) == effective(start.config, name)
    said = ("port_defaults", "profiles", "overrides", "vlans")
    assert replace(loaded.config, **{name: getattr(start.config, name) for name in said}) == start.config
    assert replace(loaded.config.vlans[1], name="default") == start.config.vlans[1]


@given(switches(), switches())
@FEW
def test_a_rollback_is_whole(start: State, target: State) -> None:
    """Whatever is in force, the configuration put in its place is in force afterwards, policy ids apart."""
    start, target = without_uses(start), without_uses(target)
    modes = {number: slot.mode for number, slot in target.config.slots.items()}
    slots = {number: replace(slot, mode=modes.get(number, slot.mode)) for number, slot in start.config.slots.items()}
    target = replace(target, config=replace(target.config, slots=slots))
    loaded = replace_with(config_text(target), start)
    assert without_ids(loaded.state.config) == without_ids(target.config) and not loaded.remarks
    known = {name: found.policy_id for name, found in start.config.profiles.items()}
    kept = {name: found.policy_id for name, found in loaded.state.config.profiles.items() if name in known}
    assert kept == {name: known[name] for name in kept}


@given(switches(), switches())
@FEW
def test_a_patch_does_what_it_says(start: State, target: State) -> None:
    """The lines of `show diff rollback-patch`, typed, lead from one configuration to the other."""
    start, target = without_uses(start), without_uses(target)
    kinds = {name: found.type for name, found in start.config.profiles.items()}
    assume(all(found.type is kinds.get(name, found.type) for name, found in target.config.profiles.items()))
    lines = patch(start, target)
    merged = merge("".join(f"{line}\n" for line in lines), start)
    assert without_ids(merged.config) == without_ids(target.config), lines
    assert patch(target, target) == []


def without_uses(start: State) -> State:
    """The same with NICs and uplinks whose profiles do not exist: nothing is in use."""
    inventory = start.inventory
    veths = {number: replace(veth, profile="NOWHERE") for number, veth in inventory.veths.items()}
    return replace(start, inventory=replace(inventory, veths=veths, uplinks={}))


def test_a_fresh_switch_takes_the_text_of_another() -> None:
    """Hosts and NICs come by themselves; what they will need can be loaded before."""
    source = state()
    source = replace(source, inventory=State().inventory, config=replace(source.config, overrides={}, descriptions={}))
    loaded = load(running_config(source, NOW), State())
    unnumbered = {name: replace(found, policy_id=0) for name, found in loaded.config.profiles.items()}
    expected = {name: replace(found, policy_id=0) for name, found in source.config.profiles.items()}
    assert unnumbered == expected and replace(loaded.config, profiles=source.config.profiles) == source.config
    assert sorted(found.policy_id for found in loaded.config.profiles.values()) == [1, 2, 3, 4]


def test_new_and_known_objects_keep_their_policies_apart() -> None:
    terminal = Terminal()
    text = terminal.run("show running-config").output + "port-profile NEW\n  no shutdown\n"
    loaded = load(text, terminal.state)
    assert loaded.config.profiles["NEW"].policy_id == 6 and loaded.inventory.next_policy_id == 7
    assert loaded.inventory.veths == terminal.state.inventory.veths


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("vlan 4095\n", "line 1 ('vlan 4095'): Invalid number, range is (1-4094)"),
        ("hostname a\n\nnonsense\n", "line 3 ('nonsense'): Invalid command"),
        ("show version\n", "line 1 ('show version'): not a configuration command"),
        ("interface Vethernet77\n", "interface Vethernet77: does not exist"),
        ("port-profile A\n  inherit port-profile B\n", "parent port-profile B does not exist"),
        ("interface Vethernet1\n  inherit port-profile DB\n", "line 2 ('inherit port-profile DB')"),
    ],
)
def test_bad_text_is_refused_by_line(text: str, told: str) -> None:
    with pytest.raises(DvsError) as refusal:
        load(text, state())
    assert told in str(refusal.value)
    assert isinstance(refusal.value, InvalidValue) or "parent" in told


def test_it_can_be_pasted_line_by_line() -> None:
    """The text typed into a session that has the same hosts: same configuration."""
    source = Terminal()
    text = source.run("show running-config").output
    start = state()
    config = replace(Config(), slots=start.config.slots)
    target = Terminal(replace(start, config=config, inventory=replace(start.inventory, next_policy_id=1)))
    target.run("configure terminal")
    for line in text.splitlines():
        if not line.startswith("version"):
            reply = target.run(line)
            assert reply.ok, (line, reply.output)
    pasted = target.run("show running-config").output
    assert pasted.splitlines()[2:] == text.splitlines()[2:]
