"""What a host tells the supervisor of its ways to a VIS (NivReport)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dvswitch.v1 import fabric_pb2 as fabric
from dvswitch.v1 import types_pb2 as pb
from dvswitch.vif.host import LinkView
from dvswitch.vif.host_link import LinkState
from dvswitch.vif.messages import Tagging
from vem.agent.attachments import Attachment
from vem.niv.memory import Bound

_STATES = {
    LinkState.DOWN: fabric.NivLink.DOWN,
    LinkState.SEARCHING: fabric.NivLink.DOWN,
    LinkState.FOUND: fabric.NivLink.FOUND,
    LinkState.ASKING: fabric.NivLink.FOUND,
    LinkState.SYNCING: fabric.NivLink.UP,
    LinkState.UP: fabric.NivLink.UP,
    LinkState.SILENT: fabric.NivLink.DOWN,
}
_REASONS = {
    LinkState.DOWN: "the uplink is down",
    LinkState.SEARCHING: "no VIS is heard",
    LinkState.SILENT: "the VIS does not answer any more",
}


def report(
    links: Iterable[LinkView],
    taggings: Mapping[int, Tagging],
    nics: Iterable[tuple[Attachment, Bound]],
    carries: bool,
) -> fabric.NivReport:
    """All uplinks on which a VIS was heard, with the VIFs of NICs; ``carries``: their frames go that way now."""
    found, places = fabric.NivReport(), list(nics)
    for link in links:
        if not link.vis_uuid:
            continue
        message = found.links.add(
            uplink=link.uplink,
            vis_uuid=link.vis_uuid,
            vis_name=link.vis_name,
            vis_port=link.vis_port,
            tagging=_tagging(link.tagging or taggings.get(link.uplink)),
            state=_state(link),
            reason=reason(link),
        )
        for item, bound in places:
            if bound.uplink == link.uplink and bound.vif:
                message.vifs.add(veth=bound.veth, vif=bound.vif, carries=carries, vm=item.nic.vm, index=item.nic.index)
    return found


def reason(link: LinkView) -> str:
    """Why a link is not in use; "" if it is, or might be."""
    return link.reason or _REASONS.get(link.state, "")


def _state(link: LinkView) -> fabric.NivLink.State:
    refused = link.reason and link.state in (LinkState.FOUND, LinkState.ASKING)
    return fabric.NivLink.REFUSED if refused else _STATES[link.state]


def _tagging(tagging: Tagging | None) -> pb.Mode.Tagging:
    return pb.Mode.Tagging.Name(tagging.value) if tagging else pb.Mode.NONE  # type: ignore[return-value]


__all__ = ["reason", "report"]
