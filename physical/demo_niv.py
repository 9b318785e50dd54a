"""`dvs lab --niv --demo`: the story of hosts that only tag, and of the switch that returns their frames.

As demo.py, whose teller and some of whose chapters it uses: every statement is checked.  What is said of the tags is
read from frames on the cable (tap.py), which are kept as capture files in the lab's directory.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from dvswitch.mac import MacAddress
from dvswitch.v1 import types_pb2
from physical import demo
from physical.demo import RATE, Story
from physical.frames import TYPE_ARP, TYPE_IPV4
from physical.lab import ANSWER_PATIENCE, Lab
from physical.plan import SWITCH
from physical.tap import Seen, save
from physical.traffic import Transfer
from physical.watch import drops, host_accounts

VNTAG, ETAG = 0x8926, 0x893F
LIST = 1 << 12
"""From here on a destination is a list of VIFs."""
_NAMES = {TYPE_ARP: "ARP", TYPE_IPV4: "IPv4"}


@dataclass(frozen=True, slots=True)
class Tagged:
    """A frame with a VNTag (wire-formats V1) or an E-TAG (E1), taken apart."""

    tagging: int
    """EtherType of the tag."""
    fields: str
    """In words."""
    to: int
    """VIF or list; 0: to the switch."""
    source: int
    """VIF; 0: from elsewhere."""
    dst: MacAddress
    src: MacAddress
    ethertype: int

    @property
    def text(self) -> str:
        """One line."""
        name = _NAMES.get(self.ethertype, f"type {self.ethertype:04x}")
        return f"{self.fields} | {self.src} > {self.dst} {name}"


def taken_apart(frame: bytes) -> Tagged | None:
    """None: it has no such tag."""
    ethertype = int.from_bytes(frame[12:14], "big")
    word = int.from_bytes(frame[14:18], "big")
    if ethertype == VNTAG:
        direction, listed, looped, version = word >> 31, word >> 30 & 1, word >> 15 & 1, word >> 12 & 3
        to, source, inner = word >> 16 & 0x3FFF, word & 0xFFF, 18
        fields = f"VNTag d={direction} p={listed} dvif={to} l={looped} ver={version} svif={source}"
    elif ethertype == ETAG:
        to, source, inner = word & 0x3FFF, word >> 16 & 0xFFF, 20
        fields = f"E-TAG grp={to >> 12} ecid={to & 0xFFF} ingress={source} pcp={word >> 29}"
    else:
        return None
    behind = int.from_bytes(frame[inner : inner + 2], "big")
    return Tagged(ethertype, fields, to, source, MacAddress(frame[:6]), MacAddress(frame[6:12]), behind)


def _start(story: Story) -> None:
    story.chapter("A supervisor, a Virtual Interface Switch (VIS) and three hosts start; all but the first are modules")
    lab = story.lab
    lab.start()
    lab.processes.wait("sw1 joins the supervisor", lambda: lab.switch.call("niv")["connected"])
    shown = demo.check_modules(story)
    slot = lab.switch.call("niv")["slot"]
    row = next((line.split() for line in shown.splitlines() if "Virtual Interface Switch" in line), [""])
    story.check(row[0] == str(slot), f"{SWITCH} has joined as module {slot}, of type Virtual Interface Switch")


def _to_niv(story: Story) -> None:
    story.chapter("Two hosts stop switching: mode niv, live, under traffic")
    lab = story.lab
    for host in lab.network.niv:
        _turn(story, host, "niv", "web1", "web2" if host == "vem1" else "web3")
    shown = story.cli("show module")
    for host in lab.network.niv:
        rows = [line.split() for line in shown.splitlines()]
        wanted = [str(story.slots[host]), "niv", "vntag", "connected", SWITCH]
        story.check(
            wanted in rows, f"module {story.slots[host]} ({host}) is in mode niv, its card on {SWITCH} connected"
        )
    story.cli("show niv")
    rows = [line.split() for line in story.cli("show vif").splitlines()]
    for guest in lab.guests.values():
        if guest.host in lab.network.niv:
            found = [row for row in rows if row[:2] == [f"Veth{guest.veth}", str(story.slots[guest.host])]]
            story.check(
                len(found) == 1 and found[0][5] == "carries", f"{guest.plan.name} is VIF {found[0][2]} of its host"
            )
    _as_before(story)


def _as_before(story: Story) -> None:
    profile = {plan.name: plan.profile for plan in story.lab.network.guests}
    story.matrix(lambda a, b: profile[a] == profile[b])


def _turn(story: Story, host: str, mode: str, source: str, target: str) -> None:
    """Change a host's mode while a stream of frames goes from or to it."""
    lab = story.lab
    stream = lab.stream(source, target, RATE)
    story.enter("configure terminal", *lab.mode_lines(host, mode), "end")
    lab.wait_mode(host, mode)
    lab.flow([stream], 0.3, RATE)
    _check_gap(story, f"{source} to {target} while {host} went to mode {mode}", stream.finish())


def _check_gap(story: Story, what: str, transfer: Transfer) -> None:
    gap = f"longest gap {transfer.longest_gap * 1000:.0f} ms"
    story.check(transfer.duplicates == 0 and transfer.lost == 0, f"{what}: {transfer}, {gap}", drops(story.lab))


def _tags(story: Story) -> None:
    story.chapter("What is on the cable: every frame between two guests of vem1 goes up with its VIF and comes back")
    lab = story.lab
    vif = {name: _vif(lab, name) for name in ("web1", "web2")}
    with lab.tap("vem1") as tap:
        reached = lab.ping("web1", "web2", 1, ANSWER_PATIENCE)
        save(lab.directory / "vem1.pcap", tap.seen())
        frames = [seen for seen in tap.seen() if _is_tagged_packet(seen)]
    _show(story, frames)
    found = [(seen.end, tag.to, tag.source) for seen in frames if (tag := taken_apart(seen.frame))]
    story.check(reached, "web2 answers web1")
    request = [("a", 0, vif["web1"]), ("b", vif["web2"], 0)]
    answer = [("a", 0, vif["web2"]), ("b", vif["web1"], 0)]
    seen = [(end, to, 0 if end == "b" else source) for end, to, source in found]
    story.check(
        request + answer == [item for item in seen if item in request + answer],
        f"request and answer each crossed it twice: up from its VIF, down to VIF {vif['web2']} and {vif['web1']}",
        str(found),
    )


def _is_tagged_packet(seen: Seen) -> bool:
    """And not one that asks for an address, which a guest does again after a minute."""
    tag = taken_apart(seen.frame)
    return tag is not None and tag.ethertype == TYPE_IPV4


def _vif(lab: Lab, guest: str) -> int:
    _, vifs = lab.niv_link(lab.guest(guest).host)
    return next(int(row["vif"]) for row in vifs if row["veth"] == lab.guest(guest).veth)


def _show(story: Story, frames: list[Seen]) -> None:
    for seen in frames:
        tag = taken_apart(seen.frame)
        way = "vem1 -> sw1" if seen.end == "a" else "sw1 -> vem1"
        story.tell(f"  {way}  {tag.text if tag else 'untagged'}")


def _broadcast(story: Story) -> None:
    story.chapter("A broadcast: one copy per link, to a list of VIFs; the sender's VIF is named, and left out")
    story.lab.processes.wait("vem1 goes by its lists", partial(_goes_by_lists, story.lab, "vem1"))
    story.lab.processes.wait("no guest asks for an address any more", partial(_know_each_other, story.lab))
    for sender in ("web4", "web1"):
        _announces(story, sender)


def _goes_by_lists(lab: Lab, host: str) -> bool:
    link, _ = lab.niv_link(host)
    return bool(link["lists"]) and link["lists"] == link["held"]


def _know_each_other(lab: Lab) -> bool:
    """Nobody asks all others for somebody's address: that would be counted with what they are to get."""
    return not any(demo.nic_of(lab, guest)["asking"] for guest in lab.guests)


def _announces(story: Story, sender: str) -> None:
    lab, guest = story.lab, story.lab.guest(sender)
    own = _vif(lab, sender) if guest.host == "vem1" else 0
    before = {name: _received(lab, name) for name in lab.guests}
    wanted = {name: int(name.startswith("web") and name != sender) for name in lab.guests}

    def got() -> dict[str, int]:
        return {name: _received(lab, name) - count for name, count in before.items()}

    with lab.tap("vem1") as tap:
        guest.control.call("announce")
        tap.wait(lambda seen: _is_list(seen, guest.plan.mac), f"{sender}'s broadcast to a list")
        lab.processes.wait("all get it", lambda: all(count >= wanted[name] for name, count in got().items()))
        save(lab.directory / f"vem1-broadcast-{sender}.pcap", tap.seen())
        frames = [seen for seen in tap.seen() if _from(seen, guest.plan.mac)]
    _show(story, frames)
    down = [tag for seen in frames if seen.end == "b" and (tag := taken_apart(seen.frame))]
    one = len(down) == 1 and down[0].to >= LIST and down[0].source == own
    told = f"sender VIF {own} is left out" if own else "it came from elsewhere"
    story.check(one, f"{sender}'s broadcast came down the cable once, to list {down[0].to}; {told}")
    story.check(got() == wanted, "every other guest of the VLAN got one copy, the sender none", str(got()))


def _received(lab: Lab, guest: str) -> int:
    nics = lab.guest(guest).control.call("counters")["nics"]
    return sum(int(nic["rx_frames"]) for nic in nics.values())


def _from(seen: Seen, mac: str) -> bool:
    tag = taken_apart(seen.frame)
    return tag is not None and tag.src == MacAddress.station(mac)


def _is_list(seen: Seen, mac: str) -> bool:
    tag = taken_apart(seen.frame)
    return _from(seen, mac) and tag is not None and seen.end == "b" and tag.to >= LIST


def _hairpin(story: Story) -> None:
    story.chapter(
        "The hairpin: the VIS counts what two guests of one host say to each other; without it they are silent"
    )
    lab = story.lab
    before, before_web2 = _all_counted(lab, "web1"), lab.counters("web2")
    stream = lab.stream("web1", "web2", RATE)
    lab.flow([stream], 0.3, RATE)
    transfer = stream.finish()
    story.check(transfer.lost == transfer.duplicates == 0, f"web1 to web2: {transfer}")
    after, least = _all_counted(lab, "web1"), before_web2.tx_frames + transfer.received
    rx, handed = after[0].rx_frames - before[0].rx_frames, after[1] - before[1]
    tx = lab.counters("web2", lambda now: now.tx_frames >= least).tx_frames - before_web2.tx_frames
    story.check(rx == handed, f"the VIS counted {rx} frames from web1: all that web1 sent", f"{handed} sent")
    story.check(tx >= transfer.received, f"and {tx} to web2, by the same port of {SWITCH}")
    _silent_when_cut(story)


def _all_counted(lab: Lab, guest: str) -> tuple[types_pb2.Counters, int]:
    """A guest's counters when all that it handed over is in them; and how much that is."""
    return lab.counters(guest, lambda now: now.rx_frames >= _handed(lab, guest)), _handed(lab, guest)


def _silent_when_cut(story: Story) -> None:
    lab = story.lab
    lab.cut("vem1")
    story.tell("  the cable between vem1 and sw1 is cut")
    before_cut = _handed(lab, demo.MOVE_GUEST)
    story.check(not lab.ping("web1", "web2"), "web1 and web2 don't reach each other, though they are on one host")
    story.unseen += _handed(lab, demo.MOVE_GUEST) - before_cut
    lab.mend("vem1")
    lab.processes.wait("web2 answers web1 again", lambda: lab.ping("web1", "web2", 1))
    story.check(lab.ping("web1", "web2", patience=ANSWER_PATIENCE), "the cable is mended: they do")


def _handed(lab: Lab, guest: str) -> int:
    return demo.handed(demo.nic_of(lab, guest))


def _there_and_back(story: Story) -> None:
    story.chapter("vem2 switches by itself again, and then tags as IEEE 802.1BR has it; live, under traffic")
    lab = story.lab
    _turn(story, "vem2", "dvs", "web1", "web3")
    with lab.tap("vem2") as tap:
        reached = lab.ping("web1", "web3", patience=ANSWER_PATIENCE)
        tagged = [seen for seen in tap.seen() if taken_apart(seen.frame)]
    story.check(reached and not tagged, "web3 answers web1, and no frame on the cable of vem2 has a tag")
    _turn(story, "vem2", "niv tagging etag", "web1", "web3")
    with lab.tap("vem2") as tap:
        reached = lab.ping("web1", "web3", patience=ANSWER_PATIENCE)
        save(lab.directory / "vem2-etag.pcap", tap.seen())
        frames = [seen for seen in tap.seen() if taken_apart(seen.frame)]
    for seen in frames[:2]:
        tag = taken_apart(seen.frame)
        story.tell(f"  {'vem2 -> sw1' if seen.end == 'a' else 'sw1 -> vem2'}  {tag.text if tag else ''}")
    kinds = {tag.tagging for seen in frames if (tag := taken_apart(seen.frame))}
    story.check(reached and kinds == {ETAG}, "web3 answers web1, and the frames have E-TAGs")


def _to_dvs_host(story: Story) -> None:
    story.chapter("web1 migrates on, to a host that switches by itself")
    lab = story.lab
    before = lab.counters("web1")
    stream = lab.stream("web4", "web1", RATE)
    pause = lab.move("web1", "vem3", [stream])
    lab.flow([stream], 0.3, RATE)
    transfer = stream.finish(pause.sent[0])
    story.tell(f"  it stood still for {pause.seconds * 1000:.0f} ms; web4 to web1: {transfer}")
    story.check(transfer.duplicates == 0 and transfer.lost <= pause.sent[0], "nothing was lost before or after that")
    least = before.tx_frames + transfer.received
    info, after = lab.veths()["web1"], lab.counters("web1", lambda now: now.tx_frames >= least)
    went_on = info.host == "vem3" and after.tx_frames >= least
    story.check(went_on, f"it is still vEthernet {info.veth}, on vem3, and its counters went on")


def _books(story: Story) -> None:
    story.chapter("The books are closed")
    lab = story.lab
    for host in lab.network.hosts:
        what = f"the counters of {host} add up"
        accounts = lab.processes.wait(what, partial(host_accounts, lab, host), demo.ACCOUNT_PATIENCE)
        story.check(accounts, accounts)
    for name in lab.guests:
        c = lab.counters(name, _balanced)
        story.check(_balanced(c), f"{name}: {c.rx_frames} frames received, all forwarded or dropped for a reason")
    story.matrix(lambda a, b: True)


def _balanced(counters: types_pb2.Counters) -> bool:
    return bool(counters.rx_frames == counters.rx_forwarded + sum(counters.drops_in.values()))


CHAPTERS = (
    _start,
    demo.profiles,
    demo.guests_attach,
    _to_niv,
    _tags,
    _broadcast,
    _hairpin,
    demo.live_edit,
    _there_and_back,
    demo.migration,
    _to_dvs_host,
    _books,
)
