"""startup-config, files, checkpoints, rollback, configure replace, timed edits: what is said, and that it is so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.switches import NOW, Terminal, state
from vsm.cli.service import CliReply
from vsm.config import archive
from vsm.config.patch import patch
from vsm.config.render import config_text
from vsm.model.state import Config, Inventory, State


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


def put(terminal: Terminal, name: str, text: str) -> None:
    terminal.files.write(name, text.encode())


def edited(terminal: Terminal) -> State:
    """The switch after a few edits, all of which a rollback must take back."""
    terminal.configure(
        "hostname edited", "vlan 77", "port-profile NEW", "no shutdown", "port-profile WEB", "mac-learning enable"
    )
    terminal.run("interface ethernet 9/1", "description awaited")
    terminal.run("end")
    return terminal.state


# ---- startup-config


def test_copy_running_to_startup_is_answered_as_clients_expect(terminal: Terminal) -> None:
    for line in ("copy running-config startup-config", "copy run start", "copy r s"):
        assert terminal.run(line).output == f"[{'#' * 40}] 100%\nCopy complete.\n"
    shown = terminal.run("show startup-config").output.splitlines()
    running = terminal.run("show running-config").output.splitlines()
    assert shown[0] == "!Command: show startup-config"
    assert shown[2] == "!Startup config saved at: Sun Nov 22 20:33:10 2026"
    assert shown[4:] == running[3:]
    assert terminal.run("show running-config diff").output == ""
    terminal.configure("hostname other")
    assert "! hostname other\n" in terminal.run("show running-config diff").output


def test_write_erase_asks_first(terminal: Terminal) -> None:
    terminal.run("copy run start")
    for answer in ("n", "", "nonsense"):
        reply = terminal.run("write erase")
        assert reply.output == "Warning: This command will erase the startup-configuration.\n"
        assert reply.prompt == "Do you wish to proceed anyway? (y/n)  [n] "
        assert terminal.run(answer).prompt == "vsm-a# "
        assert "hostname vsm-a" in terminal.run("show startup-config").output
    terminal.run("write erase")
    assert terminal.run("y").ok
    assert terminal.run("show startup-config").output == "No startup configuration\n"


def test_an_answer_is_no_command(terminal: Terminal) -> None:
    terminal.run("copy run start", "write erase")
    reply = terminal.run("configure terminal")
    assert reply.output == "" and reply.prompt == "vsm-a# "
    assert "configure terminal" not in terminal.run("show cli history").output


def test_dont_ask(terminal: Terminal) -> None:
    terminal.run("terminal dont-ask", "copy run start", "write erase")
    assert terminal.run("show startup-config").output == "No startup configuration\n"
    terminal.run("no terminal dont-ask")
    assert terminal.run("write erase").prompt.endswith("[n] ")


def test_reload_puts_the_saved_configuration_into_force(terminal: Terminal) -> None:
    terminal.run("copy run start")
    before = terminal.state.config
    edited(terminal)
    reply = terminal.run("reload")
    assert reply.prompt == "This command will reload the supervisor. (y/n)?  [n] "
    assert "WARNING: the running configuration is not saved" in reply.output and "  hostname vsm-a\n" in reply.output
    assert terminal.run("y").closed
    assert terminal.state.config == before


def test_reload_of_a_switch_that_was_never_saved_keeps_everything(terminal: Terminal) -> None:
    edited(terminal)
    before = terminal.state
    assert "WARNING" not in terminal.run("reload").output
    assert terminal.run("yes").closed
    assert terminal.state == before


def test_reload_after_write_erase_begins_as_a_new_switch_unless_that_would_cut_off_guests(terminal: Terminal) -> None:
    terminal.run("terminal dont-ask", "write erase")
    before = terminal.state
    reply = terminal.run("reload")
    assert not reply.ok and "Cannot remove port-profile UPLINK: in use by interface Ethernet3/1" in reply.output
    assert terminal.state == before
    empty = Terminal(
        replace(state(), inventory=Inventory(), config=replace(state().config, overrides={}, descriptions={}))
    )
    empty.run("terminal dont-ask", "write erase", "reload")
    assert empty.state.config == Config(users={"admin": state().config.users["admin"]}), "somebody can still log in"


def test_startup_may_come_from_a_file_that_is_a_configuration(terminal: Terminal) -> None:
    put(terminal, "nonsense", "hostname a\nnonsense\n")
    reply = terminal.run("copy bootflash:nonsense startup-config")
    assert not reply.ok and "line 2 ('nonsense')" in reply.output
    terminal.run("copy running-config bootflash:good", "copy bootflash:good startup-config")
    assert terminal.run("show running-config diff").output == ""


# ---- files


def test_files_are_copied_shown_and_deleted(terminal: Terminal) -> None:
    terminal.run("copy running-config bootflash:one.cfg", "copy bootflash:one.cfg bootflash:///two.cfg")
    assert terminal.run("show file two.cfg").output == terminal.run("show running-config").output
    assert terminal.run("copy running-config bootflash:one.cfg").prompt == "overwrite (y/n)?[n] "
    terminal.run("n")
    assert " two.cfg\n" in terminal.run("dir").output
    assert terminal.run("delete bootflash:two.cfg").prompt == 'Do you want to delete "/two.cfg" ? (yes/no/abort)   [y] '
    terminal.run("abort")
    terminal.run("delete two.cfg", "")
    terminal.run("delete one.cfg no-prompt")
    assert [info.name for info in terminal.files.files()] == ["base.cfg"]
    for line in ("delete one.cfg", "dir one.cfg", "show file one.cfg", "copy bootflash:one.cfg running-config"):
        assert "No such file or directory" in terminal.run(line).output


@pytest.mark.parametrize("name", ["../x", "bootflash:../../etc/passwd", "/etc/passwd", "bootflash:.hidden"])
def test_nothing_outside_of_bootflash_is_reached(terminal: Terminal, name: str) -> None:
    for line in (
        f"show file {name}",
        f"delete {name}",
        f"dir {name}",
        f"show clock > {name}",
        f"copy {name} running-config",
    ):
        assert not terminal.run(line).ok


def test_output_goes_to_files(terminal: Terminal) -> None:
    terminal.run("show hostname > bootflash:out", "show hostname >> out", "show vlan | include web | append out")
    vlan = "10   web                              active    Eth3/1, Veth1, Veth2, Veth3\n"
    assert terminal.files.text("out") == f"vsm-a\nvsm-a\n{vlan}"
    assert terminal.run("show hostname | redirect bootflash:out").output == ""
    assert terminal.files.text("out") == "vsm-a\n"
    assert not terminal.run("show hostname | redirect out | count").ok
    assert terminal.run("show running-config | include 'a > b'").output == ""
    assert not terminal.files.exists("b")
    terminal.configure("port-profile WEB", "description x > y")
    assert terminal.state.config.profiles["WEB"].description == "x > y"


def test_copying_a_file_to_the_configuration_adds_all_its_lines_or_none(terminal: Terminal) -> None:
    put(
        terminal,
        "more",
        "! comment\nconf t\nvlan 50\nname fifty\nport-profile WEB\n  no mtu\n  description more\nexit\n",
    )
    assert "Copy complete." in terminal.run("copy bootflash:more running-config").output
    assert terminal.state.config.vlans[50].name == "fifty"
    assert terminal.state.config.profiles["WEB"].description == "more"
    before = terminal.state
    put(terminal, "bad", "vlan 60\nport-profile WEB\n  switchport access vlan 4095\n")
    reply = terminal.run("copy bootflash:bad running-config")
    assert not reply.ok and "line 3 ('switchport access vlan 4095')" in reply.output
    assert terminal.state is before


def test_the_network_is_not_supported_yet(terminal: Terminal) -> None:
    for line in ("copy running-config scp://h/f", "copy tftp://h/f bootflash:x", "copy bootflash:base.cfg ftp://h/f"):
        assert terminal.run(line).output == "ERROR: copy over the network is not supported yet\n"


# ---- checkpoints and rollback


def test_rollback_to_a_checkpoint(terminal: Terminal) -> None:
    assert terminal.run("checkpoint before description all is well").output == "Done\n"
    before = terminal.state.config
    edited(terminal)
    reply = terminal.run("rollback running-config checkpoint before atomic")
    assert reply.ok and reply.output.endswith("\nRollback completed successfully.\n")
    assert terminal.state.config == before
    summary = terminal.run("show checkpoint summary").output
    assert "1) before:\nCreated by admin\nCreated at Sun, 20:33:10 22 Nov 2026\n" in summary
    assert "Description: all is well\n" in summary
    assert "hostname vsm-a" in terminal.run("show checkpoint before").output


def test_checkpoints_have_names_and_a_limit(terminal: Terminal) -> None:
    assert terminal.run("checkpoint").output == "user-checkpoint-1 created Successfully\n\nDone\n"
    assert "exists already" in terminal.run("checkpoint user-checkpoint-1").output
    for number in range(2, 11):
        assert terminal.run("checkpoint").output.startswith(f"user-checkpoint-{number} ")
    assert "there are 10 already" in terminal.run("checkpoint").output
    assert terminal.run("no checkpoint user-checkpoint-3").ok
    assert terminal.run("checkpoint").output.startswith("user-checkpoint-3 ")
    assert not terminal.run("no checkpoint nobody").ok
    assert terminal.words("rollback running-config checkpoint user-checkpoint-1") == [
        "user-checkpoint-1",
        "user-checkpoint-10",
    ]
    terminal.run("clear checkpoint database")
    assert terminal.state.archive.checkpoints == {}


def test_a_failed_rollback_changes_nothing_and_says_so(terminal: Terminal) -> None:
    put(terminal, "bad", "hostname other\nvlan 5000\n")
    put(terminal, "nobody", "port-profile OTHER\n")
    before = terminal.state
    for name, why in (
        ("bad", "line 2 ('vlan 5000')"),
        ("nobody", "in use by interface Ethernet3/1"),
        ("gone", "No such file"),
    ):
        reply = terminal.run(f"rollback running-config file {name}")
        assert not reply.ok and why in reply.output and "completed" not in reply.output
        assert name == "gone" or "Rollback failed." in reply.output
        assert terminal.state is before


def test_a_rollback_may_stop_at_the_first_failure(terminal: Terminal) -> None:
    """What comes before it in the patch is in force, what comes after is not."""
    text = terminal.run("show running-config").output
    changed = text.replace("hostname vsm-a", "hostname other").replace("name web", "name shop")
    changed = changed.replace("max-ports 8", "max-ports 9").replace("description to-leaf-1", "description elsewhere")
    put(terminal, "most", changed.replace("inherit port-profile BASE", "inherit port-profile BASE\n  max-ports 3"))
    assert not terminal.run("rollback running-config file most atomic").ok
    reply = terminal.run("rollback running-config file most stop-at-first-failure")
    told = "stopped at 'port-profile type vethernet WEB': port-profile WEB: max-ports 3 is below the 4 ports in use\n"
    assert reply.output.endswith(f"\nRollback failed. 5 lines are in force; {told}") and "completed" not in reply.output
    config = terminal.state.config
    assert (config.hostname, config.vlans[10].name, config.profiles["DB"].max_ports) == ("other", "shop", 9)
    assert config.profiles["WEB"].max_ports == 32 and config.descriptions["Ethernet3/1"] == "to-leaf-1"


def test_a_rollback_that_stops_at_the_first_failure_may_do_all_or_nothing(terminal: Terminal) -> None:
    terminal.run("checkpoint one")
    edited(terminal)
    put(terminal, "bad", "hostname other\nvlan 5000\n")
    before = terminal.state
    reply = terminal.run("rollback running-config file bad stop-at-first-failure")
    assert not reply.ok and "Rollback failed. line 2 ('vlan 5000')" in reply.output and terminal.state is before
    reply = terminal.run("rollback running-config checkpoint one stop-at-first-failure")
    assert reply.ok and reply.output.endswith("Rollback completed successfully.\n")
    assert terminal.run("show diff rollback-patch running-config checkpoint one").output.count("Empty") == 1


def test_a_rollback_step_by_step_does_not_cut_the_way_to_a_host(terminal: Terminal) -> None:
    terminal.configure("port-profile UPLINK", "system vlan 10")
    text = terminal.run("end", "show running-config").output.replace("hostname vsm-a", "hostname other")
    put(terminal, "cut", text.replace("\nvlan 10\n", "\nvlan 10\n  shutdown\n"))
    reply = terminal.run("rollback running-config file cut stop-at-first-failure")
    assert "1 lines are in force; stopped at 'vlan 10': interface Ethernet3/1: would lose vlan 10" in reply.output
    assert terminal.state.config.hostname == "other" and not terminal.state.config.vlans[10].shutdown
    assert terminal.run("rollback running-config file cut stop-at-first-failure force").ok
    assert terminal.state.config.vlans[10].shutdown


def test_a_patch_says_what_of_a_text_is_not_understood(terminal: Terminal) -> None:
    put(terminal, "odd", "hostname other\nnonsense 5\nip access-list A\nvlan 60\n")
    found = terminal.run("show diff rollback-patch running-config file odd").output
    assert "! line 2 ('nonsense 5'): Invalid command\n" in found and "hostname other\n" in found
    assert "! line 3 ('ip access-list A'): access-list is not supported yet\n" in found


def test_best_effort_leaves_out_what_cant_be(terminal: Terminal) -> None:
    put(terminal, "some", "hostname other\nvlan 5000\nvlan 60\n")
    reply = terminal.run("configure replace bootflash:some best-effort")
    assert reply.ok and "Note: line 2 ('vlan 5000'): Invalid number" in reply.output
    assert "Note: port-profile WEB is kept: in use by interface Vethernet1" in reply.output
    config = terminal.state.config
    assert config.hostname == "other" and sorted(config.vlans) == [1, 60]
    assert {"WEB", "BASE", "UPLINK", "DB"} == set(config.profiles)


def test_hosts_and_nics_that_changed_since_do_not_hinder_a_rollback(terminal: Terminal) -> None:
    terminal.configure("interface vethernet 5", "description stays", "interface vethernet 1", "shutdown")
    terminal.run("end", "checkpoint one")
    inventory = terminal.state.inventory
    # vEth 5 is gone, 1 belongs to another NIC by now, 3 is in another profile
    veths = {n: v for n, v in inventory.veths.items() if n != 5}
    veths[1] = replace(veths[1], mac=veths[2].mac, policy_id=0)
    veths[3] = replace(veths[3], profile="DB")
    config = replace(terminal.state.config, overrides={}, descriptions={})
    start = replace(terminal.state, config=config, inventory=replace(inventory, veths=veths))
    later = Terminal(start)
    reply = later.run("rollback running-config checkpoint one")
    assert reply.ok, reply.output
    assert "Note: interface Vethernet5 is left out: it does not exist any more" in reply.output
    assert "Note: interface Vethernet1 is left out: its number belongs to another NIC by now" in reply.output
    assert later.state.inventory.veths[3].profile == "DB"
    assert set(later.state.config.overrides) == {"Vethernet2"}
    assert set(later.state.config.descriptions) == {"Vethernet2", "Ethernet3/1"}


def test_a_slot_whose_host_has_joined_is_not_given_away(terminal: Terminal) -> None:
    other = "1d2f8a10-55aa-4c1e-9a41-0c0ffee00099"
    text = terminal.run("show running-config").output
    put(terminal, "swap", text.replace("host id 1d2f8a10-55aa-4c1e-9a41-0c0ffee00033", f"host id {other}"))
    reply = terminal.run("configure replace swap")
    assert not reply.ok and "vem 3: is in use by host" in reply.output
    put(terminal, "without", text.replace("vem 3\n  host id 1d2f8a10-55aa-4c1e-9a41-0c0ffee00033\n", ""))
    before = terminal.state
    assert "Note: vem 3 is kept: its host has joined" in terminal.run("configure replace without").output
    assert terminal.state is before


def test_differences_between_any_two(terminal: Terminal) -> None:
    terminal.run("checkpoint one", "copy run start", "checkpoint file before.txt")
    edited(terminal)
    expected = patch(Terminal().state, terminal.state)
    for source in ("checkpoint one", "startup-config", "file before.txt"):
        found = terminal.run(f"show diff rollback-patch {source} running-config").output
        assert found.startswith("Collecting Running-Config\n#Generating Rollback Patch\n!!\n")
        assert found.splitlines()[3:-1] == expected
    assert "Rollback Patch is Empty\n" in terminal.run("show diff rollback-patch checkpoint one file before.txt").output
    assert "Rollback Patch is Empty\n" in terminal.run("show diff rollback-patch running-config running-config").output
    assert "hostname vsm-a" in terminal.run("show diff rollback-patch running-config checkpoint one").output
    assert not terminal.run("show diff rollback-patch checkpoint two running-config").ok


def test_configure_replace(terminal: Terminal) -> None:
    terminal.run("copy running-config bootflash:whole")
    before = terminal.state.config
    edited(terminal)
    assert "Verification is Successful." in terminal.run("configure replace whole verify-only").output
    assert terminal.state.config != before
    terminal.run("configure terminal")
    reply = terminal.run("config replace bootflash:whole")
    assert reply.ok and reply.output.endswith("\nConfigure replace completed successfully.\n")
    assert terminal.state.config == before
    put(terminal, "bad", "nonsense\n")
    assert "ERROR: Configure replace failed." in terminal.run("configure replace bad").output


# ---- timed edits


def passed(terminal: Terminal, seconds: float) -> None:
    """Let time pass, as the daemon sees it."""
    terminal.now = NOW + seconds
    if archive.due(terminal.state, terminal.now):
        terminal.supervisor.transact(lambda before: archive.revert(before).state)


@pytest.mark.parametrize("confirm", ["configure replace commit", "configure confirm", ""])
def test_a_timed_replacement(terminal: Terminal, confirm: str) -> None:
    terminal.run("copy running-config bootflash:whole")
    wanted, before = config_text(terminal.state), config_text(edited(terminal))
    reply = terminal.run("configure replace whole commit-timeout 60")
    assert "taken back in 60 seconds unless" in reply.output
    passed(terminal, 59)
    assert config_text(terminal.state) == wanted
    assert "another timed edit is waiting" in terminal.run("configure replace whole commit-timeout 60").output
    if confirm:
        assert terminal.run(confirm).ok
    passed(terminal, 61)
    assert config_text(terminal.state) == (wanted if confirm else before)
    assert "no timed edit is waiting" in terminal.run("configure confirm").output


def test_typed_lines_may_be_timed(terminal: Terminal) -> None:
    before = terminal.state.config
    assert terminal.run("configure terminal commit-timeout 300").prompt == "vsm-a(config)# "
    edited(terminal)
    passed(terminal, 301)
    assert terminal.state.config == before and terminal.state.archive.pending is None


def test_what_can_not_be_taken_back_any_more_is_kept(terminal: Terminal) -> None:
    terminal.run("configure terminal commit-timeout 300", "port-profile LATE", "state enabled", "hostname late")
    veths = dict(terminal.state.inventory.veths)
    veths[5] = replace(veths[5], profile="LATE")
    terminal.supervisor.transact(lambda now: replace(now, inventory=replace(now.inventory, veths=veths)))
    loaded = archive.revert(terminal.state)
    assert loaded.state.config.hostname == "vsm-a" and loaded.state.config.profiles["LATE"].enabled
    assert loaded.remarks == ("port-profile LATE is kept: in use by interface Vethernet5",)


def test_questions_belong_to_their_session(terminal: Terminal) -> None:
    terminal.run("write erase")
    other: CliReply = terminal.service.execute("other", "show hostname")
    assert other.output == "vsm-a\n"


def test_a_patch_says_max_ports_when_the_default_changes() -> None:
    """The default is that of profiles to come: those that are there keep what they have."""
    old, new = Terminal(), Terminal()
    new.configure("port-profile default max-ports 64", "port-profile WEB", "max-ports 64")
    assert patch(old.state, new.state) == [
        "port-profile default max-ports 64",
        "port-profile type vethernet WEB",
        "  max-ports 64",
    ]
