"""`vem show niv`: a host's ways to its VIS, and where each NIC is behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from vem.agent.show import table
from vem.niv.report import reason

if TYPE_CHECKING:
    from vem.niv.side import NivSide

_LINKS = ("Uplink", "VIS", "VIS Port", "Tagging", "State", "Tagged only", "Why")
_NICS = ("LTL", "VSM Port", "Vem Port", "Uplink", "VIF", "Phase", "State", "Why")


def niv(side: NivSide, uplink: Callable[[int], str], port: Callable[[int], str]) -> str:
    """Both tables, under how far the host is; ``uplink``: names uplinks by number, ``port``: ports by lport."""
    links = [
        (
            uplink(view.uplink),
            view.vis_name or "-",
            view.vis_port or "-",
            tagging.name.lower() if (tagging := view.tagging or side.tagging(view.uplink)) else "-",
            view.state.value,
            "Yes" if view.final else "No",
            reason(view) or "-",
        )
        for view in side.links()
    ]
    nics = [
        (
            str(item.lport),
            port(item.lport),
            item.adapter or "-",
            uplink(bound.uplink),
            str(bound.vif or "-"),
            bound.phase.name.lower(),
            bound.state.name.lower(),
            bound.detail or "-",
        )
        for item, bound in side.nics()
    ]
    return f"Stage: {side.stage.value}\n\n{table(_LINKS, links, set())}\n{table(_NICS, nics, {0, 4})}"


__all__ = ["niv"]
