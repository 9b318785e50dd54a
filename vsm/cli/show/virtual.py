"""show interface virtual description and port-mapping; the plain form is in vsm/cli/show/interfaces.py."""

from __future__ import annotations

from dataclasses import dataclass, field

from vsm.cli.command import Call, View
from vsm.cli.report import Report, Table, lines
from vsm.cli.show.interfaces import status_of
from vsm.model.interfaces import Vethernet
from vsm.policy.ports import description

_RULE = "-" * 79


@dataclass(frozen=True, slots=True)
class DescriptionRow:
    """What a vEth is described as."""

    interface: str
    description: str


@dataclass(frozen=True, slots=True)
class MappingRow:
    """A vEth and its NIC, as the hypervisor knows it."""

    port: str
    hypervisor_port: str = field(metadata={"key": "hypervisor-port"})
    """The VM and the index of its NIC: what identifies it to the switch."""
    binding: str = field(metadata={"key": "binding-type"})
    status: str
    reason: str


def show_description(view: View, _call: Call) -> Report:
    """Descriptions of vEths."""
    ports = [Vethernet(number) for number in sorted(view.state.inventory.veths)]
    rows = [DescriptionRow(port.short, description(view.state, port.full)) for port in ports]
    body = [f"{row.interface:<12} {row.description}" for row in rows]
    text = lines(_RULE, "Interface    Description", _RULE, *body)
    return Report(text, (Table("interface_virtual_desc", rows),))


def show_port_mapping(view: View, _call: Call) -> Report:
    """vEths, their NICs and their state."""
    rows = []
    for number, veth in sorted(view.state.inventory.veths.items()):
        port = Vethernet(number)
        state, reason = status_of(view, port.full)
        rows.append(MappingRow(port.short, f"{veth.nic.vm}/{veth.nic.index}", "static", state, reason))
    text = lines(
        _RULE,
        "Port        Hypervisor Port                 Binding Type  Status  Reason",
        _RULE,
        *(f"{row.port:<11} {row.hypervisor_port:<31} {row.binding:<13} {row.status:<7} {row.reason}" for row in rows),
    )
    return Report(text, (Table("interface_virtual_mapping", rows),))
