"""vEths as the APIs tell them: State and observed state together in one VethInfo."""

from __future__ import annotations

from dvswitch.v1 import manager_pb2
from vsm.fabric import wire
from vsm.model.interfaces import Vethernet
from vsm.model.macs import Entry, classify
from vsm.model.state import State, Veth
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
