"""`mode` of a module: what may be said, what it is told to touch, and whom commands go to then."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.switches import NOW, Terminal, niv_terminal, with_moves
from vsm.model.niv import DVS, HostMode, ModeKind, Tagging
from vsm.model.state import Module
from vsm.mqtt.documents import ModuleDocument, document_of
from vsm.runtime import ModuleStatus

VNTAG, ETAG = HostMode(ModeKind.NIV, Tagging.VNTAG), HostMode(ModeKind.NIV, Tagging.ETAG)


@pytest.mark.parametrize(
    ("line", "mode", "shown"),
    [
        ("mode niv", VNTAG, "  mode niv tagging vntag\n"),
        ("mode niv tagging vntag", VNTAG, "  mode niv tagging vntag\n"),
        ("mode niv tagging etag", ETAG, "  mode niv tagging etag\n"),
        ("mode vepa", HostMode(ModeKind.VEPA), "  mode vepa\n"),
        ("mode dvs", DVS, ""),
    ],
)
def test_what_is_said_is_so_and_is_shown(line: str, mode: HostMode, shown: str) -> None:
    terminal = Terminal()
    assert terminal.configure("vem 4", line).ok
    assert terminal.state.config.slots[4].mode == mode and terminal.state.config.slots[3].mode == DVS
    section = terminal.run("end", "show running-config | section vem").output
    assert ("mode" in section) is bool(shown) and shown in section
    assert terminal.configure("vem 4", "no mode").ok and terminal.state.config.slots[4].mode == DVS


def test_a_mode_needs_a_host() -> None:
    assert "vem 9: is bound to no host; say 'host id UUID' first" in Terminal().configure("vem 9", "mode niv").output


def test_a_host_whose_software_cannot_is_not_asked_to() -> None:
    terminal = Terminal()
    inventory = terminal.state.inventory
    modules = {**inventory.modules, 4: replace(inventory.modules[4], modes=(ModeKind.VEPA,))}
    terminal.supervisor.transact(lambda state: replace(state, inventory=replace(inventory, modules=modules)))
    assert "vem 4: its host's software has no mode niv" in terminal.configure("vem 4", "mode niv").output
    assert terminal.configure("vem 4", "mode vepa").ok and terminal.configure("vem 4", "mode dvs").ok


def test_whoever_has_no_vis_yet_is_told_so() -> None:
    assert "has not told of a VIS yet" in Terminal().configure("vem 4", "mode niv").output
    assert niv_terminal().configure("vem 3", "mode niv tagging etag").output == ""


def test_a_vis_has_no_mode() -> None:
    terminal = Terminal()

    def as_vis(module: Module) -> Module:
        return replace(module, type="VIS")

    modules = {**terminal.state.inventory.modules, 4: as_vis(terminal.state.inventory.modules[4])}
    terminal.supervisor.transact(lambda state: replace(state, inventory=replace(state.inventory, modules=modules)))
    assert "Virtual Interface Switch" in terminal.run("show module").output
    assert "vem 4: is a VIS: it has no mode" in terminal.configure("vem 4", "mode niv").output


def test_verify_lists_a_module_whose_mode_changes() -> None:
    terminal = Terminal()
    terminal.run("configure session one", "vem 3", "mode niv")
    assert terminal.run("verify").output.startswith("Modules affected: 3\nInterfaces affected: 0\n")


def test_back_from_a_vis_the_hosts_own_uplinks_count_again() -> None:
    terminal = niv_terminal()
    terminal.run("configure terminal", "port-profile UPLINK", "switchport trunk allowed vlan 20", "end")
    terminal.run("configure session one", "vem 3", "no mode")
    told = terminal.run("verify").output
    assert "Vethernet1 (vm01, module 3): vlan 10" in told


def test_no_change_of_mode_under_a_migration_but_by_force() -> None:
    terminal = Terminal(with_moves())
    refused = terminal.configure("vem 4", "mode niv")
    assert not refused.ok and "vem 4: vethernet 1 is migrating from or to it" in refused.output
    assert terminal.configure("vem 4", "mode vepa").ok, "the ports stay where they are"
    terminal.run("end", "configure session one", "vem 4", "mode niv")
    assert "Verification failed" in terminal.run("verify").output
    assert terminal.run("commit force").ok and terminal.state.config.slots[4].mode.niv


def test_a_rollback_takes_the_mode_back() -> None:
    terminal = Terminal()
    terminal.run("checkpoint before", "configure terminal", "vem 3", "mode vepa", "end", "checkpoint after")
    assert terminal.run("rollback running-config checkpoint before").ok
    assert terminal.state.config.slots[3].mode == DVS
    assert terminal.run("rollback running-config checkpoint after").ok
    assert terminal.state.config.slots[3].mode.kind is ModeKind.VEPA
    assert "mode vepa" in terminal.run("show diff rollback-patch checkpoint before running-config").output


def test_a_manager_is_told_of_mode_and_card() -> None:
    terminal = niv_terminal()

    def told(slot: int) -> tuple[str, bool | None]:
        document = document_of(terminal.state, terminal.runtime, ("module", slot))
        assert isinstance(document, ModuleDocument)
        return document.mode, document.card

    assert (told(3), told(4)) == (("niv", True), ("dvs", None))
    terminal.runtime.cards.clear()
    assert told(3) == ("niv", False)


def test_a_slot_is_kept_while_its_card_is_connected() -> None:
    terminal = niv_terminal()
    terminal.runtime.modules[3] = ModuleStatus(False, NOW)
    veths = {number: replace(veth, slot=None) for number, veth in terminal.state.inventory.veths.items()}
    terminal.supervisor.transact(lambda state: replace(state, inventory=replace(state.inventory, veths=veths)))
    assert "Cannot remove vem 3: its card is connected" in terminal.configure("no vem 3").output
    terminal.runtime.cards[3] = ModuleStatus(False, NOW)
    assert terminal.configure("no vem 3").ok
    assert not terminal.state.inventory.ways and not terminal.state.inventory.cards


def test_commands_about_ports_go_to_the_card() -> None:
    terminal = niv_terminal()
    terminal.run("trace interface vethernet 1 --dst 5254.0000.0002", "trace interface ethernet 3/1 --vlan 10")
    terminal.run("show interface vethernet 1 drops", "show interface ethernet 3/1 drops", "show drops last")
    whom = [(slot, words[:2] if words[0] == "card" else words[:1]) for slot, words in terminal.asked]
    card, host = ["card"], [[word] for word in ("trace", "drops")]
    assert whom == [
        (3, [*card, "trace"]), (3, host[0]),
        (3, [*card, "drops"]), (3, host[1]),
        (3, host[1]), (3, [*card, "drops"]),
    ]  # fmt: skip


def test_who_is_missing_is_told_with_the_port() -> None:
    terminal = niv_terminal()
    assert "is absent" not in terminal.run("show port-profile sync-status interface vethernet 1").output
    terminal.runtime.cards.clear()
    told = terminal.run("show port-profile sync-status interface vethernet 1").output
    assert "the card of module 3 is absent" in told
    assert "absent" in terminal.run("show module 3").output.partition("Mod  Mode")[2]
    assert "  absent " in terminal.run("show niv module 3").output


def test_a_module_that_heard_of_no_vis_is_shown_all_the_same() -> None:
    terminal = niv_terminal()
    terminal.runtime.niv.clear()
    vis = "1d2f8a10-55aa-4c1e-9a41-0c0ffee00099"
    assert f"3    niv   connected  Eth3/1   {vis}" in terminal.run("show niv").output, "as the host said last"
    assert vis in terminal.run("show module").output
    terminal.supervisor.transact(lambda state: replace(state, inventory=replace(state.inventory, ways={})))
    assert "3    niv   connected  -        -" in terminal.run("show niv").output
