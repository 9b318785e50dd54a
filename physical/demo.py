"""`dvs lab --demo`: the lab's story, told and checked.

Each chapter does something with a running lab (physical/lab.py), shows it, and checks what it says: a statement that is
not true ends the story with DemoFailed.  Figures are measured while it runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from rich.console import Console
from rich.markup import escape

from dvswitch.errors import DvsError
from dvswitch.v1 import manager_pb2, types_pb2
from physical.lab import Lab
from physical.plan import PROFILES, SUPERVISOR
from physical.traffic import Transfer
from physical.watch import PortWatch, drops, host_accounts, switch_accounts

RATE = 150.0
"""Frames per second of a stream: little enough for a small, busy machine to lose none for want of time."""
EDIT_LIMIT = 5.0
"""Seconds a profile edit may take to be felt by a guest."""
ACCOUNT_PATIENCE = 60.0
"""Seconds until frames under way must have arrived."""
_WORDS = {3: "Three", 6: "Six"}
MOVE_GUEST, MOVE_FROM, MOVE_TO = "web1", "vem1", "vem2"


class DemoFailed(DvsError):
    """Something was not as told."""


@dataclass(slots=True)
class Story:
    """The teller: output, checks, and what one chapter leaves to the next."""

    lab: Lab
    console: Console
    checks: int = 0
    slots: dict[str, int] = field(default_factory=dict)
    """Module numbers by host, as given when they first joined."""
    unseen: int = 0
    """Frames of MOVE_GUEST that its host got while its cable was cut: on a host that only tags nobody counts them,
    unless they are sent when it is mended."""
    began: float = field(default_factory=time.monotonic)

    def chapter(self, title: str) -> None:
        """A heading with the time since the start."""
        elapsed = time.monotonic() - self.began
        self._print(f"\n[bold cyan]== {escape(title)}[/] [dim]({elapsed:.1f} s)[/]")

    def tell(self, text: str) -> None:
        """A sentence."""
        self._print(escape(text))

    def check(self, truth: object, told: str, otherwise: str = "") -> None:
        """Tell something that must be true; DemoFailed if it is not."""
        if not truth:
            raise DemoFailed("demo", f"not as told: {told}" + (f" ({otherwise})" if otherwise else ""))
        self.checks += 1
        self._print(f"  [green]ok[/] {escape(told)}")

    def cli(self, line: str) -> str:
        """Run a CLI line and show it with its output."""
        output = self.lab.execute(line)
        self._print(f"[bold]vsm# {escape(line)}[/]")
        for text in output.rstrip().splitlines():
            self._print(f"  {escape(text)}")
        return output

    def enter(self, *lines: str) -> None:
        """Run configuration lines and show them with their prompts."""
        for line in lines:
            self._print(f"[bold]{escape(self.lab.prompt)}{escape(line)}[/]")
            self.lab.execute(line)

    def matrix(self, expected: Callable[[str, str], bool]) -> None:
        """Ping between all guests, show it, and check it."""
        found = self.lab.reachable(expected)
        names = list(self.lab.guests)
        self._print("  " + " " * 8 + "".join(f"{name:>8}" for name in names))
        for source in names:
            cells = ["." if source == target else "yes" if found[source, target] else "no" for target in names]
            self._print(f"  {source:8}" + "".join(f"{cell:>8}" for cell in cells))
        wrong = [f"{a} to {b}" for (a, b), reached in found.items() if reached is not expected(a, b)]
        reached = ", ".join(sorted({" - ".join(sorted(pair)) for pair in found if expected(*pair)}))
        self.check(not wrong, f"exactly these reach each other: {reached}", f"not so: {', '.join(wrong)}")

    def _print(self, text: str) -> None:
        self.console.print(text, soft_wrap=True, highlight=False)


Chapter = Callable[[Story], None]


def play(lab: Lab, console: Console, chapters: Sequence[Chapter]) -> None:
    """The whole story; DemoFailed or LabError when it does not go as told."""
    story = Story(lab, console)
    for chapter in chapters:
        chapter(story)
    elapsed = time.monotonic() - story.began
    console.print(f"\nAll {story.checks} statements were checked and hold; {elapsed:.1f} s.", highlight=False)


def _hosts_join(story: Story) -> None:
    story.chapter("A supervisor, a physical switch and two hosts start; the hosts join")
    story.lab.start()
    check_modules(story)


def check_modules(story: Story) -> str:
    """All hosts are modules; returns what the supervisor shows."""
    shown = story.cli("show module")
    for host in story.lab.network.hosts:
        status = story.lab.host_status(host)
        slot = status.slot if status else 0
        story.check(slot and host in shown, f"{host} has joined as module {slot}")
        story.slots[host] = slot
    return shown


def profiles(story: Story) -> None:
    """Chapter."""
    story.chapter("Port profiles are applied")
    story.enter("configure terminal", *PROFILES, "end")
    for host in story.lab.network.hosts:
        story.lab.processes.wait(f"the uplink of {host} forwards", partial(_uplink_forwards, story.lab, host))
        story.check(True, f"the uplink of {host} forwards")


def _uplink_forwards(lab: Lab, host: str) -> bool:
    status = lab.host_status(host)
    return status is not None and any(port.name.startswith("Eth") and port.state == "FWD" for port in status.ports)


def guests_attach(story: Story) -> None:
    """Chapter."""
    guests = story.lab.network.guests
    story.chapter(f"{_WORDS[len(guests)]} guests are plugged in")
    for plan in guests:
        guest = story.lab.attach(plan)
        story.check(guest.veth, f"{plan.name} on {plan.host} with profile {plan.profile} is vEthernet {guest.veth}")
    shown = story.cli("show interface virtual")
    story.check(all(plan.name in shown for plan in guests), f"the supervisor lists all {len(guests)}")


def isolation(story: Story) -> None:
    """Chapter."""
    story.chapter("Who reaches whom: VLAN 10 spans both hosts, VLAN 20 is apart")
    profile = {plan.name: plan.profile for plan in story.lab.network.guests}
    story.matrix(lambda a, b: profile[a] == profile[b])


def live_edit(story: Story) -> None:
    """Chapter."""
    story.chapter("A profile is edited; its guest moves to the other VLAN while it runs")
    lab = story.lab
    story.enter("configure terminal", "port-profile type vethernet db")
    with lab.probing("db1", "web2") as probe:
        began = time.monotonic()
        story.enter("switchport access vlan 10")
        committed = time.monotonic()
        reached = probe.result()
    story.enter("end")
    story.check(reached is not None and reached > began, "db1 reaches web2 after the edit and not before")
    took, acknowledged = (reached or began) - began, committed - began
    story.check(
        took < EDIT_LIMIT,
        f"effective {took * 1000:.1f} ms after the line was entered (acknowledged after {acknowledged * 1000:.1f} ms)",
    )
    story.matrix(lambda a, b: True)


def migration(story: Story) -> None:
    """Chapter."""
    story.chapter(f"{MOVE_GUEST} migrates from {MOVE_FROM} to {MOVE_TO} under traffic")
    lab = story.lab
    before = lab.counters(MOVE_GUEST)
    was = lab.veths()[MOVE_GUEST]
    _tell_counters(story, "before", before)
    out = lab.stream(MOVE_GUEST, "db1", RATE)
    towards = {f"{name} to {MOVE_GUEST}": lab.stream(name, MOVE_GUEST, RATE) for name in ("db1", "web2")}
    with PortWatch(lab, leaving=(MOVE_FROM, f"Veth{was.veth}")) as watch:
        pause = lab.move(MOVE_GUEST, MOVE_TO, tuple(towards.values()))
        lab.flow([out, *towards.values()], 0.5, RATE)
    _check_own(story, out.finish())
    milliseconds = f"{pause.seconds * 1000:.0f} ms, of which {pause.commit_seconds * 1000:.0f} ms in the supervisor"
    story.tell(f"  it stood still for {milliseconds}")
    for (name, stream), allowed in zip(towards.items(), pause.sent, strict=True):
        _check_towards(story, name, stream.finish(allowed), allowed)
    story.check(not watch.fallen(), "no other port stopped forwarding, no counter fell", "; ".join(watch.fallen()))
    story.cli("show interface virtual")
    _check_identity(story, was, before)


def _check_own(story: Story, transfer: Transfer) -> None:
    name = f"{MOVE_GUEST} to db1"
    story.check(transfer.lost == transfer.duplicates == 0, f"{name}: {transfer}", drops(story.lab))


def _check_towards(story: Story, name: str, transfer: Transfer, allowed: int) -> None:
    story.tell(f"  {name}: {transfer}")
    told = f"no frame came twice, and no more were lost than the {allowed} for {MOVE_GUEST} while it stood still"
    story.check(transfer.duplicates == 0 and transfer.lost <= allowed, told, f"{transfer}; {drops(story.lab)}")


def _check_identity(story: Story, was: manager_pb2.VethInfo, before: types_pb2.Counters) -> None:
    def all_counted(counters: types_pb2.Counters) -> bool:
        nic = nic_of(story.lab, MOVE_GUEST)
        return counters.rx_frames >= handed(nic) - story.unseen and counters.tx_frames >= nic["rx_frames"]

    after, info = story.lab.counters(MOVE_GUEST, all_counted), story.lab.veths()[MOVE_GUEST]
    _tell_counters(story, "after", after)
    same = (info.veth, info.profile, info.mac) == (was.veth, was.profile, was.mac)
    story.check(same, f"it is still vEthernet {info.veth} with profile {info.profile} and MAC {info.mac}")
    story.check(info.host == MOVE_TO and info.generation > was.generation, f"it lives on {MOVE_TO} now")
    nic = nic_of(story.lab, MOVE_GUEST)
    handed_over = handed(nic)
    counted = handed_over - story.unseen <= after.rx_frames <= handed_over
    but = f" but {handed_over - after.rx_frames} of {story.unseen} that met a cut cable" if story.unseen else ""
    story.check(
        counted and after.tx_frames >= max(before.tx_frames, nic["rx_frames"]),
        f"its counters went on: rx counts all {handed_over} frames that {MOVE_GUEST} handed over on both hosts{but}",
        f"rx {after.rx_frames}, tx {after.tx_frames}; the guest received {nic['rx_frames']}",
    )


def nic_of(lab: Lab, guest: str) -> dict[str, int]:
    """What a guest counted on its NIC."""
    counted: dict[str, int] = lab.guest(guest).control.call("counters")["nics"]["0"]
    return counted


def handed(nic: dict[str, int]) -> int:
    """Frames that it handed over to its host."""
    return nic["tx_frames"] - nic["tx_lost"]


def _tell_counters(story: Story, when: str, counters: types_pb2.Counters) -> None:
    story.tell(
        f"  vEthernet counters {when}: rx {counters.rx_frames} frames {counters.rx_bytes} bytes, "
        f"tx {counters.tx_frames} frames {counters.tx_bytes} bytes"
    )


def _headless(story: Story) -> None:
    story.chapter("The supervisor is killed (-9); traffic goes on; it returns")
    lab = story.lab
    veths = {name: info.veth for name, info in lab.veths().items()}
    streams = {f"{a} to {b}": lab.stream(a, b, RATE) for a, b in (("web1", "db1"), ("db1", "web1"), ("web2", "db1"))}
    with PortWatch(lab) as watch:
        lab.kill_process(SUPERVISOR)
        story.tell("  kill -9 vsm")
        for host in lab.network.hosts:
            lab.processes.wait(f"{host} is headless", partial(_headless_host, lab, host))
            story.check(True, f"{host} is headless and forwards on")
        lab.flow(streams.values(), 0.5, RATE)
        began = time.monotonic()
        lab.start_process(SUPERVISOR)
        for host in lab.network.hosts:
            lab.wait_ready(host)
        lab.processes.wait("hosts and vEths are in sync", lab.in_sync)
        story.check(True, f"the supervisor is back and both hosts are in sync after {time.monotonic() - began:.1f} s")
        lab.flow(streams.values(), 0.5, RATE)
    transfers = {name: stream.finish() for name, stream in streams.items()}
    for name, transfer in transfers.items():
        story.tell(f"  {name}: {transfer}")
    lossless = all(transfer.lost == transfer.duplicates == 0 for transfer in transfers.values())
    story.check(lossless, "nothing was lost while the supervisor was away and while it returned", drops(lab))
    story.check(
        not watch.fallen(), f"no port flapped, no counter fell ({watch.looks} looks)", "; ".join(watch.fallen())
    )
    slots = {host: status.slot for host in lab.network.hosts if (status := lab.host_status(host))}
    story.check(slots == story.slots, "both hosts kept their module numbers", str(slots))
    story.check({name: info.veth for name, info in lab.veths().items()} == veths, "all vEths kept their numbers")
    shown = story.cli("show running-config port-profile db")
    story.check("switchport access vlan 10" in shown, "the edit was not forgotten")


def _headless_host(lab: Lab, host: str) -> bool:
    status = lab.host_status(host)
    return status is not None and status.headless


def _accounts(story: Story) -> None:
    story.chapter("The books are closed")
    lab = story.lab
    for host in lab.network.hosts:
        what = f"the counters of {host} add up"
        story.check(True, lab.processes.wait(what, partial(host_accounts, lab, host), ACCOUNT_PATIENCE))
    story.check(True, lab.processes.wait("the counters of sw1 add up", partial(switch_accounts, lab), ACCOUNT_PATIENCE))
    story.matrix(lambda a, b: True)


CHAPTERS = (_hosts_join, profiles, guests_attach, isolation, live_edit, migration, _headless, _accounts)
