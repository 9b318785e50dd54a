"""What `vis show niv` is told: links, VIFs, lists and cards of a running VIS."""

from __future__ import annotations

from typing import Any

from dvswitch.vif.bridge import BridgeNic, PortView
from physical.niv.vis import Vis


def niv_view(vis: Vis) -> dict[str, Any]:
    """As JSON values."""
    nics = vis.control.nics()
    return {
        "links": [_link(view) for view in vis.control.ports()],
        "vifs": [_vif(nic) for nic in sorted(nics, key=lambda nic: (nic.port, nic.vif))],
        "cards": [
            {"host": card.host, "name": card.agent.identity.name, "connected": card.connected, "slot": card.slot}
            for _, card in sorted(vis.cards.items())
        ],
        "connected": vis.module.session.connected,
        "slot": vis.module.slot,
    }


def _link(view: PortView) -> dict[str, Any]:
    return {
        "port": view.number,
        "state": view.state.value,
        "host": view.host_uuid,
        "name": view.host_name,
        "uplink": view.uplink,
        "tagging": view.tagging.name.lower() if view.tagging else "",
        "final": view.final,
        "vifs": view.vifs,
        "last_vif": view.last_vif,
        "held": {str(number): list(vifs) for number, vifs in sorted(view.held.items())},
        "lists": {str(number): list(vifs) for number, vifs in sorted(view.lists.items())},
    }


def _vif(nic: BridgeNic) -> dict[str, Any]:
    return {
        "port": nic.port,
        "vif": nic.vif,
        "host": nic.host,
        "nic": str(nic.key),
        "mac": str(nic.attach.mac),
        "profile": nic.attach.profile,
        "veth": nic.state.veth,
        "generation": nic.state.generation,
        "phase": nic.state.phase.name.lower(),
        "state": nic.state.state.name.lower(),
        "detail": nic.state.detail,
        "link_up": nic.link_up,
    }
