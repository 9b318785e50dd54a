"""vEths, addresses and port groups as the APIs tell them."""

from __future__ import annotations

from dvswitch.v1 import manager_pb2
from vsm.api.catalog import Update
from vsm.fabric import wire
from vsm.model.interfaces import Vethernet
from vsm.model.macs import Entry, classify
from vsm.model.state import ProfileType, State, Veth
from vsm.policy.catalog import PortGroup
from vsm.policy.quarantine import status
from vsm.runtime import Runtime


def mac_info(entry: Entry) -> manager_pb2.MacInfo:
    """A line of the address registry."""
    lease = entry.lease
    return manager_pb2.MacInfo(
        nic=wire.nic_message(lease.nic),
        mac=str(lease.mac),
        automatic=lease.automatic,
        duplicate=lease.duplicate,
        range=classify(lease.mac).value,
        veth=entry.veth,
    )


def port_group_update(update: Update) -> manager_pb2.PortGroupUpdate:
    """What a watcher of the port groups is told."""
    steps = update.difference
    return manager_pb2.PortGroupUpdate(
        snapshot=update.snapshot,
        revision=update.revision,
        added=map(_port_group, steps.added),
        changed=map(_port_group, steps.changed),
        removed=map(_port_group, steps.removed),
    )


def _port_group(group: PortGroup) -> manager_pb2.PortGroup:
    kinds = {
        ProfileType.VETHERNET: manager_pb2.PortGroup.VETHERNET,
        ProfileType.ETHERNET: manager_pb2.PortGroup.ETHERNET,
    }
    return manager_pb2.PortGroup(
        id=group.id,
        name=group.name,
        profile=group.profile,
        type=kinds[group.type],
        description=group.description,
        min_ports=group.min_ports,
        max_ports=group.max_ports,
    )


def veth_info(state: State, runtime: Runtime, veth: Veth) -> manager_pb2.VethInfo:
    """Everything a manager or a listener is told about a vEth."""
    observed = runtime.port(veth.number)
    word, reason = status(state, veth, observed is not None and observed.link_up)
    module = state.inventory.modules.get(veth.slot) if veth.slot is not None else None
    return manager_pb2.VethInfo(
        veth=veth.number,
        nic=wire.nic_message(veth.nic),
        mac=str(veth.mac),
        profile=veth.profile,
        slot=veth.slot or 0,
        host=module.host_name if module else "",
        state=word,
        reason=reason,
        generation=veth.generation,
        counters=wire.counters_message(runtime.counters(Vethernet(veth.number).full)),
    )
