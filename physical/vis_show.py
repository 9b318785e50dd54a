"""How `vis show` and `lab switch` show what a modelled switch answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


def _render_macs(answer: dict[str, Any]) -> str:
    head = f"{'VLAN ID':<9}{'MAC Address':<20}{'Interface':<23}{'IfIndex':<9}Status"
    rule = f"{'-' * 7}  {'-' * 18}  {'-' * 21}  {'-' * 7}  {'-' * 12}"
    rows = [
        f"{row['vlan']:<9}{row['mac'].upper():<20}{row['interface']:<23}{row['port']:<9}Learned"
        for row in answer["macs"]
    ]
    return "\n".join([head, rule, *rows, ""])


def _render_ports(answer: dict[str, Any]) -> str:
    lines = [f"{'Port':<6}{'State':<7}{'Mode':<8}{'VLAN':<6}Allowed", "-" * 38]
    for row in answer["ports"]:
        state = "down" if row["shutdown"] else "up"
        lines.append(f"{row['port']:<6}{state:<7}{row['mode']:<8}{row['vlan']:<6}{row['allowed']}".rstrip())
    return "\n".join([*lines, ""])


def _render_counters(answer: dict[str, Any]) -> str:
    lines = [f"{'Port':<6}{'Received':>12}{'Sent':>12}{'Flooded':>12}  Drops", "-" * 54]
    for number, found in answer["counters"].items():
        drops = {**found["drops_in"]}
        for reason, count in found["drops_out"].items():
            drops[reason] = drops.get(reason, 0) + count
        text = " ".join(f"{reason}={count}" for reason, count in sorted(drops.items())) or "-"
        lines.append(
            f"{number:<6}{found['rx_frames']:>12}{found['tx_frames']:>12}{found['tx_flooded']:>12}  {text}",
        )
    return "\n".join([*lines, ""])


def _render_lags(answer: dict[str, Any]) -> str:
    lines = [f"{'LAG':<5}{'Mode':<9}{'Port':<6}{'Active':<8}{'Partner':<19}{'Key':<7}Port", "-" * 58]
    for lag in answer["lags"]:
        for row in lag["ports"]:
            partner = f"{row['partner']:<19}{row['partner_key']:<7}{row['partner_port']}" if "partner" in row else "-"
            active = "yes" if row["active"] else "no"
            lines.append(f"{lag['lag']:<5}{lag['mode']:<9}{row['port']:<6}{active:<8}{partner}")
    return "\n".join([*lines, ""])


def _render_mirrors(answer: dict[str, Any]) -> str:
    lines = [f"{'Mirror':<8}{'Sources':<20}{'Direction':<11}To", "-" * 42]
    for row in answer["mirrors"]:
        direction = "both" if row["rx"] and row["tx"] else "rx" if row["rx"] else "tx"
        lines.append(f"{row['number']:<8}{','.join(map(str, row['sources'])):<20}{direction:<11}{row['to']}")
    return "\n".join([*lines, ""])


def _render_neighbors(answer: dict[str, Any]) -> str:
    lines = [f"{'Port':<6}{'System':<24}{'Chassis':<20}{'Port ID':<20}TTL", "-" * 74]
    for row in answer["neighbors"]:
        lines.append(
            f"{row['port']:<6}{row['system']:<24}{row['chassis']:<20}{row['remote_port']:<20}{row['ttl']}",
        )
    return "\n".join([*lines, ""])


def _render_niv(answer: dict[str, Any]) -> str:
    lines = [f"{'Port':<6}{'State':<9}{'Host':<18}{'Uplink':<8}{'Tagging':<9}{'Only':<6}{'VIFs':<11}Lists", "-" * 72]
    for row in answer["links"]:
        vifs, only = f"{row['vifs']}/{row['last_vif']}", "yes" if row["final"] else "no"
        head = f"{row['port']:<6}{row['state']:<9}{row['name'] or '-':<18}{row['uplink'] or '-':<8}"
        lines.append(f"{head}{row['tagging'] or '-':<9}{only:<6}{vifs:<11}{len(row['lists'])}")
    lines += ["", f"{'Port':<6}{'VIF':<6}{'vEth':<7}{'State':<12}{'MAC':<19}{'Profile':<16}NIC", "-" * 72]
    for row in answer["vifs"]:
        state = row["phase"] if row["state"] == "blocked" and row["phase"] != "active" else row["state"]
        head = f"{row['port'] or '-':<6}{row['vif'] or '-':<6}{row['veth'] or '-':<7}{state:<12}{row['mac']:<19}"
        lines.append(f"{head}{row['profile']:<16}{row['nic']}")
    lines += ["", f"{'List':<7}{'Port':<6}VIFs", "-" * 40]
    for row in answer["links"]:
        lines += [f"{number:<7}{row['port']:<6}{','.join(map(str, vifs))}" for number, vifs in row["lists"].items()]
    lines += ["", f"{'Card':<6}{'Host':<18}{'Supervisor':<12}UUID", "-" * 72]
    for row in answer["cards"]:
        session = "connected" if row["connected"] else "away"
        lines.append(f"{row['slot'] or '-':<6}{row['name']:<18}{session:<12}{row['host']}")
    return "\n".join([*lines, ""])


@dataclass(frozen=True, slots=True)
class View:
    """Something `vis show` shows."""

    command: str
    render: Callable[[dict[str, Any]], str]


VIEWS = {
    "mac-addr-table": View("macs", _render_macs),
    "ports": View("ports", _render_ports),
    "counters": View("counters", _render_counters),
    "lag": View("lags", _render_lags),
    "mirror": View("mirrors", _render_mirrors),
    "niv": View("niv", _render_niv),
    "lldp-neighbors": View("neighbors", _render_neighbors),
}
