"""A real VIS at a real supervisor, with NIV hosts on its links and plain ports beside them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from dvswitch.v1 import manager_pb2
from dvswitch.vif.host import LinkState
from dvswitch.vif.messages import Phase, State, Tagging
from tests.niv.stage import BASICS, BROADCAST, Stage, frame, mac, passed, until
from tests.support.fabric import Fabric, home

RARP = b"\x80\x35"


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with home() as path, Fabric(path) as fabric:
        fabric.configure(BASICS)
        found = Stage(path, fabric)
        yield found
        found.close()


async def test_a_nic_behind_the_vis_is_a_veth_of_its_hosts_module(stage: Stage) -> None:
    async with stage.host(1, 1) as host:
        web = host.wish("web1", mac(1), "web")
        bound = await host.forwarding(web)
        assert bound.uplink == 1 and bound.vif
        assert "Virtual Interface Switch" in await stage.cli("show module")
        shown = stage.show()
        (row,) = (row for row in shown["vifs"] if row["mac"] == str(mac(1)))
        assert (row["port"], row["vif"], row["veth"], row["state"]) == (1, bound.vif, bound.veth, "forwarding")
        assert ("kvm-1", host.slot, True) in [
            (card["name"], card["slot"], card["connected"]) for card in shown["cards"]
        ]
        veth = await stage.veth(bound.veth)
        assert (veth.profile, veth.host) == ("web", "kvm-1")


@pytest.mark.parametrize("tagging", list(Tagging))
async def test_frames_between_nics_of_a_host_take_the_way_through_the_vis(stage: Stage, tagging: Tagging) -> None:
    async with stage.host(2, 1, tagging=tagging) as host:
        names = [host.wish(f"web{n}", mac(n), "web") for n in (1, 2, 3)]
        other = host.wish("db1", mac(9), "db")
        bound = [await host.forwarding(name) for name in (*names, other)]
        await until(lambda: stage.link(1)["lists"] == stage.link(1)["held"] != {}, "the lists are in force")
        one, two, three = names
        left, right = stage.stations.values()

        sent, marker = frame(mac(1), mac(2))
        host.send(one, sent)
        await passed(host, {one: 0, two: 1, three: 0, other: 0}, {left: 0, right: 0}, marker)
        (copy,) = (found for found in host.tagged if marker in found.frame)
        assert (copy.to, copy.source, copy.frame) == (bound[1].vif, bound[0].vif, sent), "hairpin"

        sent, marker = frame(mac(1), BROADCAST)
        host.send(one, sent)
        await passed(host, {one: 0, two: 1, three: 1, other: 0}, {left: 1, right: 1}, marker)
        assert len([found for found in host.tagged if marker in found.frame]) == 1, "one copy for the link"

        sent, marker = frame(mac(77), BROADCAST)
        left.send(sent)
        await passed(host, {one: 1, two: 1, three: 1, other: 0}, {left: 0, right: 1}, marker)
        sent, marker = frame(mac(2), mac(77))
        host.send(two, sent)
        await passed(host, dict.fromkeys(names, 0), {left: 1, right: 0}, marker)
        sent, marker = frame(mac(77), mac(3))
        left.send(sent)
        await passed(host, {one: 0, two: 0, three: 1, other: 0}, {left: 0, right: 0}, marker)


async def test_a_vif_is_not_used_before_its_host_has_it_in_its_tables(stage: Stage) -> None:
    """While a host joins, what is for its guests goes without a tag until the host can take it with one."""
    async with stage.host(12, 1) as host:
        left, uplink = stage.stations[8], host.uplinks[1]
        sent, marker = frame(mac(1), BROADCAST)
        uplink.sock.sendto(sent[:12] + b"\x81\x00\x00\x0a" + sent[12:], uplink.remote)
        await until(lambda: left.copies(marker), "the host still switches, and its guest speaks")
        host.applies = False
        web = host.wish("web1", mac(1), "web")
        await host.until(lambda: host.bound(web).veth, "the VIS grants the NIC")
        sent, marker = frame(mac(77), mac(1))
        left.send(sent)
        await host.until(lambda: [found for found in host.plain if marker in found], "it comes without a tag")
        assert host.bound(web).vif and host.bound(web).state is State.PENDING and not host.deliveries(web, marker)
        host.applies = True
        await host.forwarding(web)
        sent, marker = frame(mac(77), mac(1))
        left.send(sent)
        await host.until(lambda: host.deliveries(web, marker), "it comes with the tag")
        assert not [found for found in host.plain if marker in found]


async def test_the_vifs_counters_are_the_veths(stage: Stage) -> None:
    async with stage.host(3, 1) as host:
        # VMs of its own: those of other tests were on other hosts, whose last counts may still be on their way
        one, two = host.wish("counted1", mac(31), "web"), host.wish("counted2", mac(32), "web")
        for name in (one, two):
            await host.forwarding(name)
        numbers = [host.bound(name).veth for name in (one, two)]

        async def counters() -> tuple[int, int, int]:
            sender, receiver = [(await stage.veth(number)).counters for number in numbers]
            return sender.rx_frames, sum(sender.drops_in.values()), receiver.tx_frames

        assert await counters() == (0, 0, 0)
        for _ in range(5):
            host.send(one, frame(mac(31), mac(32))[0])
        host.send(one, frame(mac(66), mac(32))[0])  # not its address
        end = time.monotonic() + 30
        while (found := await counters()) != (6, 1, 5):
            assert time.monotonic() < end, found


async def test_hosts_on_two_links_reach_each_other(stage: Stage) -> None:
    async with stage.host(4, 1) as here, stage.host(5, 2, tagging=Tagging.ETAG) as there:
        one, two = here.wish("web1", mac(1), "web"), there.wish("web2", mac(2), "web")
        for host, nic in ((here, one), (there, two)):
            await host.forwarding(nic)
        for to in (mac(2), BROADCAST):
            sent, marker = frame(mac(1), to)
            here.send(one, sent)
            await passed(there, {two: 1}, {}, marker)
            assert here.deliveries(one, marker) == 0
            (copy,) = (found for found in there.tagged if marker in found.frame)
            assert copy.source == 0, "it is from another link"


async def test_an_edit_of_the_profile_acts_at_the_vis(stage: Stage) -> None:
    await stage.configure("port-profile type vethernet edited\nswitchport mode access\nswitchport access vlan 10\n"
                          "no shutdown\nstate enabled")  # fmt: skip
    async with stage.host(6, 1) as host:
        one, two = host.wish("web1", mac(1), "edited"), host.wish("web2", mac(2), "web")
        for name in (one, two):
            await host.forwarding(name)
        sent, marker = frame(mac(2), mac(1))
        host.send(two, sent)
        await passed(host, {one: 1}, {}, marker)
        await stage.configure("port-profile edited\nswitchport access vlan 20")
        await until(lambda: not _reaches(host, two, one), "VLAN 20 is out of reach")
        await stage.configure("port-profile edited\nshutdown")
        await host.until(lambda: host.bound(one).state is State.BLOCKED)
        assert "shut down" in host.bound(one).detail
        await stage.configure("port-profile edited\nno shutdown\nswitchport access vlan 10")
        await host.forwarding(one)
        await until(lambda: _reaches(host, two, one), "VLAN 10 again")


def _reaches(host: object, sender: str, receiver: str) -> bool:
    """Whether the frame sent at the look before the last has come."""
    from tests.niv.hosts import NivHost

    assert isinstance(host, NivHost)
    last = getattr(host, "last", b"")
    sent, marker = frame(mac(2), mac(1))
    host.send(sender, sent)
    host.last = marker  # type: ignore[attr-defined]
    return bool(last) and host.deliveries(receiver, last) > 0


async def test_a_lost_link_moves_its_nics_and_their_veths_stay(stage: Stage) -> None:
    async with stage.host(7, 1, 2) as host:
        names = [host.wish(f"web{n}", mac(n), "web") for n in (1, 2)]
        before = {name: await host.forwarding(name) for name in names}
        assert {bound.uplink for bound in before.values()} == {1, 2}
        lost = next(name for name in names if before[name].uplink == 1)
        host.set_carrier(1, False)
        await host.until(lambda: host.bound(lost).uplink == 2 and host.bound(lost).vif and host.bound(lost).veth)
        assert host.bound(lost).veth == before[lost].veth
        one, two = names

        def reached() -> bool:
            sent, marker = frame(mac(1), mac(2))
            host.send(one, sent)
            time.sleep(0.02)
            return bool(host.deliveries(two, marker)) or bool(
                [f for f in host.tagged if f.frame[6:12] == mac(1).octets]
            )

        await until(reached, "frames go by the other link")
        host.set_carrier(1, True)
        await host.until(lambda: host.side.links()[0].state is LinkState.UP)
        assert {host.bound(name).uplink for name in names} == {2}


async def test_what_the_supervisor_refuses_is_told_to_the_host(stage: Stage) -> None:
    async with stage.host(8, 1) as host:
        host.wish("web1", mac(1), "nosuch")
        refused = []
        await host.until(lambda: refused.extend(host.side.take_refusals()) or refused)
        assert "nosuch" in refused[0].reason
        await until(lambda: not stage.link(1)["vifs"], "it has no VIF")


async def test_a_restarted_host_keeps_vif_and_veth(stage: Stage) -> None:
    async with stage.host(9, 1) as host:
        one, two = host.wish("web1", mac(1), "web"), host.wish("web2", mac(2), "web")
        before = [await host.forwarding(name) for name in (one, two)]
        host.start_control()
        await host.until(lambda: all(host.bound(name).confirmed for name in (one, two)))
        after = [await host.forwarding(name) for name in (one, two)]
        assert [(now.vif, now.veth) for now in after] == [(then.vif, then.veth) for then in before]


async def test_untagged_frames_are_at_an_end_when_the_host_says_so(stage: Stage) -> None:
    async with stage.host(10, 1) as host:
        one = host.wish("web1", mac(1), "web")
        await host.forwarding(one)
        (left, _), uplink = stage.stations.values(), host.uplinks[1]
        host.set_final(True)
        await host.until(lambda: host.side.links()[0].final)
        sent, marker = frame(mac(55), BROADCAST)
        uplink.sock.sendto(sent, uplink.remote)
        await until(lambda: stage.port_counters(1)["drops_in"].get("NIV_UNTAGGED"), "it is dropped")
        assert not left.copies(marker)
        sent, marker = frame(mac(77), BROADCAST)
        left.send(sent)
        await passed(host, {one: 1}, {}, marker)
        assert not [found for found in host.plain if marker in found]


async def test_a_vm_moves_between_two_links_and_is_announced(stage: Stage) -> None:
    async with stage.host(11, 1) as source, stage.host(12, 2) as target:
        one = source.wish("web1", mac(1), "web")
        veth = (await source.forwarding(one)).veth
        target.wish("web1", mac(1), "web", prepare=True)
        begin, commit = manager_pb2.MigrateRequest.BEGIN, manager_pb2.MigrateRequest.COMMIT
        begun = asyncio.create_task(asyncio.to_thread(stage.fabric.migrate, veth, begin, "kvm-12"))
        await begun
        await target.until(lambda: target.bound(one).veth == veth and target.bound(one).phase is Phase.PREPARED)
        (left, _) = stage.stations.values()
        heard = len(left.heard())
        await asyncio.to_thread(stage.fabric.migrate, veth, commit)
        await target.forwarding(one)
        assert source.bound(one).phase is Phase.DRAINING or source.bound(one).state is not State.FORWARDING

        def announced() -> bool:
            return any(found[12:14] == RARP and found[6:12] == mac(1).octets for found in left.heard()[heard:])

        await until(announced, "RARP on a plain port")
        sent, marker = frame(mac(77), mac(1))
        left.send(sent)
        await passed(target, {one: 1}, {}, marker)
        assert source.deliveries(one, marker) == 0
        source.drop(one)


async def test_a_card_ends_when_its_host_leaves_the_mode(stage: Stage) -> None:
    async with stage.host(13, 1) as host:
        await host.forwarding(host.wish("web1", mac(1), "web"))
        host.side.set_mode(False, Tagging.VNTAG, False, time.monotonic())
        await until(lambda: not any(card["host"] == host.uuid for card in stage.show()["cards"]), "the card ends")
        await until(lambda: not (stage.path / "vis" / "cards" / host.uuid).exists(), "nothing of it is left")
        assert stage.link(1)["vifs"] == 0
        (left, _), uplink = stage.stations.values(), host.uplinks[1]
        tag = b"\x81\x00\x00\x0a"
        sent, marker = frame(mac(55), BROADCAST)
        uplink.sock.sendto(sent[:12] + tag + sent[12:], uplink.remote)
        await until(lambda: left.copies(marker) == 1, "the port is an ordinary trunk again")
        host.side.set_mode(True, Tagging.VNTAG, False, time.monotonic())
        await host.forwarding("web1/0")


@pytest.mark.slow
async def test_a_restarted_vis_takes_its_vifs_up_again(stage: Stage) -> None:
    async with stage.host(14, 1) as host:
        one, two, three = (host.wish(f"web{n}", mac(n), "web") for n in (1, 2, 3))
        for name in (one, two, three):
            await host.forwarding(name)
        host.drop(one)
        before = {name: (host.bound(name).vif, host.bound(name).veth) for name in (two, three)}
        stage.vis.kill()
        stage.vis.start()
        await asyncio.to_thread(stage.wait_for_vis)
        await until(lambda: stage.link(1)["state"] == "up", "the host is back")
        for name in (two, three):
            await host.forwarding(name)
        assert {name: (host.bound(name).vif, host.bound(name).veth) for name in (two, three)} == before

        def reached() -> bool:
            host.send(two, frame(mac(2), mac(3))[0])
            return any(found.frame[6:12] == mac(2).octets for found in host.tagged[at:])

        at = len(host.tagged)
        await until(reached, "frames go on")
