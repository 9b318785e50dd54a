"""What the agent tells about itself to people on the host: StatusReply, from the Image in force."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from dvswitch.mac import MacAddress
from dvswitch.v1 import manager_pb2 as manager
from vem.agent.convert import counters_to
from vem.agent.wanted import Phase
from vem.datapath.image import Counters, Image, LearnedMac, Policy, Port

if TYPE_CHECKING:
    from vem.agent.agent import Agent


async def status_of(agent: Agent, version: str, macs: bool) -> manager.StatusReply:
    """The whole reply; ``macs``: with the MAC table."""
    image = agent.datapath.image
    counters = await agent.datapath.counters()
    reply = manager.StatusReply(
        host_uuid=agent.identity.host_uuid,
        slot=agent.holdings.slot,
        engine=agent.datapath.kind,
        headless=not agent.connected,
        revision=agent.compiled.wanted.revision,
        version=version,
        rss_bytes=rss_bytes(),
    )
    for lport, port in sorted(image.ports.items()):
        reply.ports.append(_host_port(agent, lport, port, counters.get(lport, Counters())))
    reply.lacp.extend(_lacp(agent))
    if macs:
        reply.macs.extend(_static_macs(agent, image.static_macs.items()))
        reply.macs.extend(_learned_macs(agent, await agent.datapath.learned()))
    return reply


def _host_port(agent: Agent, lport: int, port: Port, counters: Counters) -> manager.HostPort:
    image, state = agent.datapath.image, agent.compiled.veths.get(port.number)
    policy = image.policies.get(port.policy, Policy(blocked=True))
    return manager.HostPort(
        lport=lport,
        name=port_name(agent, lport, image),
        adapter=_adapter(agent, lport),
        state=_state(agent, lport, port, policy),
        vlan=_vlan(policy),
        mac=str(port.mac),
        pinned_uplink=state.pinned_uplink if state and not port.uplink else 0,
        counters=counters_to(counters),
    )


def port_name(agent: Agent, lport: int, image: Image) -> str:
    """ "Veth5", "Eth3/1", or "-" for a NIC without a vEth."""
    port = image.ports.get(lport)
    if port is None or not port.number:
        return "-"
    return f"Eth{agent.holdings.slot}/{port.number}" if port.uplink else f"Veth{port.number}"


def _adapter(agent: Agent, lport: int) -> str:
    for attachment in agent.holdings.attachments:
        if attachment.lport == lport:
            return attachment.adapter
    for uplink in agent.holdings.uplinks.values():
        if uplink.lport == lport:
            return uplink.config.adapter
    return ""


def _state(agent: Agent, lport: int, port: Port, policy: Policy) -> str:
    wanted = None if port.uplink else agent.compiled.wanted.ports.get(port.number)
    if wanted and wanted.phase is Phase.PREPARED:
        return "PRE"
    attachment = next((item for item in agent.holdings.attachments if item.lport == lport), None)
    if attachment and agent.niv.why_blocked(attachment):
        return "BLK"
    return "BLK" if port.blocked or policy.blocked or not port.link_up else "FWD"


def _vlan(policy: Policy) -> str:
    if not policy.trunk:
        return str(policy.vlan) if policy.vlan else ""
    native = f" native {policy.vlan}" if policy.vlan else ""
    return f"{policy.allowed}{native}"


def _static_macs(agent: Agent, entries: Iterable[tuple[MacAddress, int]]) -> list[manager.HostMac]:
    image = agent.datapath.image
    return [
        manager.HostMac(mac=str(mac), port=port_name(agent, lport, image), is_static=True)
        for mac, lport in sorted(entries, key=lambda entry: entry[0])
    ]


def _learned_macs(agent: Agent, entries: Iterable[LearnedMac]) -> list[manager.HostMac]:
    image = agent.datapath.image
    return [
        manager.HostMac(
            mac=str(entry.mac), vlan=entry.vlan, port=port_name(agent, entry.lport, image), age_s=int(entry.age)
        )
        for entry in sorted(entries, key=lambda entry: (entry.vlan, entry.mac))
    ]


def _lacp(agent: Agent) -> list[manager.HostLacp]:
    policies = agent.compiled.wanted.policies
    return [
        manager.HostLacp(
            uplink=view.number,
            profile=policies[ident].profile if ident in policies else "",
            state=view.mux.value,
            partner=str(view.partner.system),
            partner_key=view.partner.key,
            partner_port=view.partner.port,
            churning=view.churning,
            sent=view.sent,
            received=view.received,
            malformed=view.malformed,
        )
        for ident, view in agent.control.lacp.view(time.monotonic())
    ]


def rss_bytes() -> int:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()
