"""Commands for inheritable settings, the same in port profiles and on interfaces (vsm/cli/tables/setting.py)."""

from __future__ import annotations

from dataclasses import replace

from dvswitch.vlan import VlanSet
from vsm.cli.command import Call, Command, Edit
from vsm.cli.tables import guards, mobility, teaming
from vsm.cli.tables.setting import accept, editor, setting
from vsm.model.settings import NO_NATIVE, UNTAGGED, PortMode, Settings


def _allowed(call: Call, holds: Settings) -> VlanSet:
    vlans: VlanSet = call.get("vlans", VlanSet())
    now = holds.allowed_vlans or VlanSet()
    if call.has("add"):
        return now | vlans
    if call.has("remove"):
        return now - vlans
    if call.has("except"):
        return VlanSet.all() - vlans
    return VlanSet.all() if call.has("all") else vlans


def _allowed_text(settings: Settings) -> str:
    vlans = "all" if settings.allowed_vlans == VlanSet.all() else str(settings.allowed_vlans)
    return f"switchport trunk allowed vlan {vlans}"


def _shut(shutdown: bool) -> Edit:
    return editor(lambda own, _call, _holds: replace(own, shutdown=shutdown))


_NATIVE: dict[int | None, str] = {UNTAGGED: "untagged", NO_NATIVE: "none"}

SETTINGS: tuple[Command, ...] = (
    setting(
        "switchport mode {access | trunk}",
        "How the port carries vlans: one untagged, or several tagged",
        "mode",
        lambda call, _holds: PortMode.TRUNK if call.has("trunk") else PortMode.ACCESS,
        lambda said: f"switchport mode {said.mode.value if said.mode else ''}",
        no="switchport mode [access | trunk]",
        note=teaming.beacon_note,
    ),
    setting(
        "switchport access vlan {<vlan:vlan-id> | untagged}",
        "Vlan of an access port; untagged: frames leave the uplinks without tag too",
        "access_vlan",
        lambda call, _holds: call.get("vlan", UNTAGGED),
        lambda said: f"switchport access vlan {said.access_vlan or 'untagged'}",
        no="switchport access vlan [<vlan:vlan-id>]",
        words={"untagged": "No vlan: external switch tagging"},
    ),
    setting(
        "switchport trunk native vlan {<vlan:vlan-id> | untagged | none}",
        "Vlan of a trunk's untagged frames; untagged: they stay so everywhere; none: they are dropped",
        "native_vlan",
        lambda call, _holds: call.get("vlan", NO_NATIVE if call.has("none") else UNTAGGED),
        lambda said: f"switchport trunk native vlan {_NATIVE.get(said.native_vlan, said.native_vlan)}",
        no="switchport trunk native vlan [<vlan:vlan-id>]",
        words={"untagged": "Let them pass as they are", "none": "Drop them"},
    ),
    setting(
        "switchport trunk allowed vlan {<vlans:vlan-list> | add <vlans:vlan-list> | remove <vlans:vlan-list> "
        "| except <vlans:vlan-list> | all | none}",
        "Vlans that a trunk carries",
        "allowed_vlans",
        _allowed,
        _allowed_text,
        no="switchport trunk allowed vlan [<vlans:vlan-list>]",
    ),
    setting(
        "mtu <mtu:1500-9000>",
        "Largest frame payload of an uplink, in bytes",
        "mtu",
        lambda call, _holds: call["mtu"],
        lambda said: f"mtu {said.mtu}",
        no="mtu [<mtu:1500-9000>]",
    ),
    setting(
        "cdp enable",
        "Find neighbours by CDP on the uplink, and be found, as far as the switch does",
        "cdp",
        lambda _call, _holds: True,
        lambda said: "cdp enable" if said.cdp else "no cdp enable",
        no="cdp enable",
        undo=editor(lambda own, _call, _holds: replace(own, cdp=False)),
    ),
    *guards.SECURITY,
    setting(
        "mac-learning [enable | disable]",
        "Learn the MAC addresses behind the port",
        "mac_learning",
        lambda call, _holds: not call.has("disable"),
        lambda said: f"mac-learning {'enable' if said.mac_learning else 'disable'}",
        no="mac-learning [enable | disable]",
    ),
    setting(
        "mac-learning unknown-flood {accept | reject}",
        "Whether a learning port receives unicast to unknown addresses",
        "unknown_flood",
        lambda call, _holds: call.has("accept"),
        lambda said: f"mac-learning unknown-flood {accept(said.unknown_flood)}",
        no="mac-learning unknown-flood [accept | reject]",
    ),
    setting(
        "mac-learning limit <limit:1-4096> [action {drop | allow}]",
        "How many MAC addresses are learned behind the port, and what becomes of frames from more",
        "mac_limit",
        lambda call, _holds: call["limit"],
        lambda said: f"mac-learning limit {said.mac_limit}{' action allow' if said.mac_limit_allow else ''}",
        no="mac-learning limit [<limit:1-4096>]",
        beside={"mac_limit_allow": lambda call: call.has("allow")},
    ),
    *guards.OTHERS,
    *teaming.ROWS,
    mobility.SETTING,
    setting(
        "shutdown",
        "Block the port administratively",
        "shutdown",
        lambda _call, _holds: True,
        lambda said: "shutdown" if said.shutdown else "no shutdown",
        no="shutdown",
        undo=_shut(False),
    ),
)
"""Rows of inheritable settings."""


def settings_lines(settings: Settings) -> list[str]:
    """Configuration lines of what ``settings`` says."""
    subject = _Bare(settings)
    return [line for row in SETTINGS if row.render for line in row.render(subject)]


class _Bare:
    """Settings by themselves, as something to render."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
