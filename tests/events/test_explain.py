"""A trace in words: every drop reason has its rule and a remedy, and the lines named are those of the running
configuration.  (That both engines trace alike is shown in test_trace.py.)"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from dvswitch.drops import REASONS
from tests.rows.world import BROADCAST, access, frame, mac, uplink, vnic, world
from tests.support.fabric import UPLINK_PROFILE, Fabric, access_profile, home, wire
from tests.support.processes import wait_until
from vem.agent import said
from vem.agent.wanted import Switch, Wanted
from vem.capture.explain import Names, explain
from vem.capture.reasons import VERDICTS
from vem.datapath.watch import Step, Trace, TraceCopy, TraceStep
from vsm.config.lines import default_lines

WORLD = world(vnic(1, access(100)), vnic(2, access(100)), uplink(10))


def lines(lport: int, settings: object) -> list[str]:
    return [f"lport {lport} says {setting}" for setting in settings]  # type: ignore[attr-defined]


NAMES = Names(lambda lport: f"port{lport}", lines)


@pytest.mark.parametrize("name", [reason.name for reason in REASONS])
@pytest.mark.parametrize("inward", [True, False])
def test_every_reason_has_its_rule_its_lines_and_a_remedy(name: str, inward: bool) -> None:
    if inward:
        trace = Trace(name, (TraceStep(Step.PARSE, ""), TraceStep(Step.ADMIT, name)), (), 0, 0, 0, False, False, 0)
    else:
        trace = Trace("", (TraceStep(Step.LOOKUP, ""),), (TraceCopy(2, name, None),), 100, 2, 0, False, False, 0)
    text = explain(trace, 1, frame(BROADCAST, mac(1)), WORLD, NAMES)
    verdict = VERDICTS[name]
    assert f"DROP {name}" in text and f"[{verdict.rules}]" in text
    assert f"\n{name}: " in text and f"\n  remedy: {verdict.remedy}\n" in text and verdict.remedy
    assert re.fullmatch(r"S-\d+.*|not numbered", verdict.rules)
    wanted = ("storm_broadcast",) if inward and name == "STORM" else verdict.settings
    for setting in wanted:
        assert f"     lport {1 if inward else 2} says {setting}" in text


def test_a_frame_that_nobody_gets_has_rules_and_lines_at_the_end() -> None:
    trace = Trace("UPLINK_INACTIVE", (TraceStep(Step.LOOKUP, ""),), (), 100, 0, 0, True, True, 0)
    text = explain(trace, 1, frame(mac(9), mac(1)), WORLD, NAMES)
    assert "Dropped: UPLINK_INACTIVE [S-093 S-121 S-144]\n     lport 1 says pin\n" in text


def test_lines_of_the_switch() -> None:
    told = Wanted(switch=Switch(mtu=9000, snooping=True))
    assert said.lines(told, None, ["system mtu", "system snooping"]) == ["system mtu 9000", "ip igmp snooping"]
    assert said.lines(Wanted(), None, ["system mtu", "system snooping"]) == ["default: system mtu 1500"]
    assert said.lines(Wanted(), None, ["blocked"]) == ["no usable port-profile is assigned"]


def test_the_table_names_no_other_reasons() -> None:
    assert set(VERDICTS) == {reason.name for reason in REASONS}


def test_defaults_are_those_of_the_supervisor() -> None:
    assert said.DEFAULTS.items() <= default_lines().items()
    used = {setting for verdict in VERDICTS.values() for setting in verdict.settings}
    plain = {setting for setting in used if not setting.startswith("system ") and setting != "blocked"}
    assert plain <= set(default_lines())


# --- real daemons: what the trace names stands in the running configuration ---------------------------------------

A, B, C, STRANGER = (f"02:00:00:00:30:0{n}" for n in (1, 2, 3, 9))
PROFILES = (
    access_profile("web", 10)
    + """\
port-profile type vethernet base
  switchport mode trunk
  switchport trunk allowed vlan 10,20
  switchport trunk native vlan none
  security forged-transmits accept
  mac-learning enable
  mac-learning limit 1
  mac-learning unknown-flood reject
  storm-control broadcast level pps 1
  teaming active 1
  no shutdown
  state enabled
port-profile type vethernet nested
  inherit port-profile base
  state enabled
"""
)


@dataclass
class Scene:
    """A guest each of web, web and nested, on one host."""

    fabric: Fabric
    veths: list[int]

    def trace(self, guest: int, *options: str) -> str:
        return self.fabric.cli(f"trace interface vethernet {self.veths[guest]} {' '.join(options)}")

    def configured(self) -> set[str]:
        """Lines of the running configuration, with the section that they stand in."""
        found, section = set(), ""
        for line in self.fabric.cli("show running-config").splitlines():
            if not line.startswith(" "):
                section = line.replace(" type vethernet", "").replace(" type ethernet", "")
                found.add(line)
            found.add(f"{section}: {line.strip()}")
        return found


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with home() as path, Fabric(path) as fabric:
        fabric.configure(PROFILES, UPLINK_PROFILE)
        host = fabric.add_host("alpha", "user")
        veths = []
        for number, (address, profile) in enumerate(((A, "web"), (B, "web"), (C, "nested"))):
            plug = wire(path / f"s-{number}", path / f"g-{number}")
            veths.append(fabric.attach_forwarding(host, f"vm{number}", mac=address, profile=profile, plug=plug))
        yield Scene(fabric, veths)


@dataclass(frozen=True)
class Case:
    """Lines said before, the frame from a guest, and what the trace must name."""

    reason: str
    line: str
    guest: int = 0
    options: str = ""
    said: str = ""
    unsaid: str = ""

    def __str__(self) -> str:
        return f"{self.reason or 'ok'}: {self.line}"


WEB, FIRST, NESTED = "port-profile web", "interface vethernet {0}", "interface vethernet {2}"
CASES = [
    Case("FORGED_TX", "default: security forged-transmits reject", 0, f"--src {STRANGER}"),
    Case(
        "FORGED_TX",
        "security default forged-transmits reject",
        0,
        f"--src {STRANGER}",
        "security default forged-transmits reject",
        "no security default forged-transmits",
    ),
    Case(
        "FORGED_TX",
        "interface Vethernet{2}: security forged-transmits reject",
        2,
        f"--src {STRANGER} --vlan 10",
        f"{NESTED}\nsecurity forged-transmits reject",
        f"{NESTED}\nno security forged-transmits",
    ),
    Case("", "port-profile base: security forged-transmits accept", 2, f"--src {STRANGER} --vlan 10"),
    Case("VLAN_MISMATCH", "port-profile web: switchport access vlan 10", 0, "--vlan 20"),
    Case("VLAN_MISMATCH", "port-profile base: switchport trunk allowed vlan 10,20", 2, "--vlan 30"),
    Case("VLAN_MISMATCH", "port-profile base: switchport trunk native vlan none", 2),
    Case("OVERSIZE", "default: system mtu 1500", 0, "--size 1600"),
    Case("OVERSIZE", "system mtu 1400", 0, "--size 1450", "system mtu 1400", "no system mtu"),
    Case("BPDU_GUARD", "default: spanning-tree bpduguard enable", 0, "--dst 01:80:c2:00:00:00"),
    Case("PORT_BLOCKED", "port-profile web: shutdown", 0, "", f"{WEB}\nshutdown", f"{WEB}\nno shutdown"),
    Case(
        "PORT_BLOCKED", "port-profile web: no state enabled", 0, "", f"{WEB}\nno state enabled", f"{WEB}\nstate enabled"
    ),
    Case("PORT_BLOCKED", "vlan 10: shutdown", 0, "", "vlan 10\nshutdown", "vlan 10\nno shutdown"),
    Case("PORT_BLOCKED", "interface Vethernet{0}: shutdown", 0, "", f"{FIRST}\nshutdown", f"{FIRST}\ndefault shutdown"),
    Case("", "port-profile base: mac-learning limit 1", 2, "--vlan 10"),
    Case("", "port-profile base: storm-control broadcast level pps 1", 2, "--vlan 10"),
    Case("UPLINK_INACTIVE", "port-profile base: teaming active 1", 2, f"--vlan 10 --dst {STRANGER}"),
    Case(
        "UPLINK_INACTIVE",
        "port-profile web: pinning id 2",
        0,
        f"--dst {STRANGER}",
        f"{WEB}\npinning id 2",
        f"{WEB}\nno pinning id",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_line_that_decides_is_named_as_it_is_configured(scene: Scene, case: Case) -> None:
    def filled(text: str) -> str:
        return re.sub(r"\{(\d)\}", lambda found: str(scene.veths[int(found[1])]), text)

    line, outcome = filled(case.line), rf"(DROP|Dropped:) {case.reason}\b" if case.reason else "receivers get it"
    if case.said:
        scene.fabric.configure(filled(case.said))
    try:
        texts: list[str] = []

        def named() -> bool:
            texts.append(scene.trace(case.guest, case.options))
            return f"     {line}\n" in texts[-1] and re.search(outcome, texts[-1]) is not None

        try:
            wait_until(named, f"the trace names '{line}'")
        except AssertionError as problem:
            raise AssertionError(texts[-1]) from problem
        if not line.startswith("default: ") and "no state" not in line:
            assert line in scene.configured()
    finally:
        if case.unsaid:
            scene.fabric.configure(filled(case.unsaid))
