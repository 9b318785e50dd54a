"""A trace in words: each step with the rule and the line of the port profile that decided, each receiver with its tag,
and for a drop what it means and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dvswitch.drops import BY_NAME
from vem.capture.text import headers
from vem.datapath.image import Image, Policy
from vem.datapath.watch import Step, Trace, TraceCopy

STEPS = {
    Step.PARSE: ("Ethernet header", "S-002"),
    Step.PORT: ("port is in use", "S-001"),
    Step.ADMIT: ("state, size, source MAC, control frames, forged transmits", "S-002 to S-022"),
    Step.CONTROL: ("control frame for switches", "S-018 to S-021"),
    Step.CLASSIFY: ("VLAN", "S-030 to S-047"),
    Step.LOCAL_SOURCE: ("source is not a local port's, seen from outside", "S-087"),
    Step.STORM: ("storm control", "S-240 ff."),
    Step.LEARN: ("learning", "S-062 to S-074"),
    Step.LOOKUP: ("receivers", "S-080 to S-094"),
}
"""What each step looks at, and its rules."""

REMEDIES = {
    "RUNT": "send at least 14 bytes",
    "OVERSIZE": "lower the guest's MTU, or raise `system mtu` and the uplinks' MTU",
    "SRC_MAC_INVALID": "repair the sender: its source MAC is no station's",
    "PORT_BLOCKED": "`no shutdown` in the interface and in its port profile",
    "LINK_DOWN": "look at the receiver's NIC",
    "FORGED_TX": "send with the vNIC's own MAC, or accept forged transmits in its port profile",
    "MAC_CHANGED": "give the guest its MAC back, or accept MAC changes in its port profile",
    "VLAN_MISMATCH": "compare the frame's tag with access vlan, allowed vlans and native vlan",
    "RESERVED_MCAST": "none: a switch never forwards it",
    "BPDU_GUARD": "switch spanning tree off in the guest, or allow BPDUs in its port profile",
    "RPF_LOCAL_SRC": "none if the network reflects our frames; if the VM has moved away, detach it here",
    "UPLINK_INACTIVE": "bring up an uplink whose profile carries the VLAN",
    "REVERSE_TEAMING": "none if another uplink brings the same frame; else let the network send by the pinned uplink",
    "UNKNOWN_UNICAST": "check the destination MAC; for nested guests allow unknown unicast in the port profile",
    "MAC_LIMIT": "raise the limit of learned MACs in the port profile",
    "PORT_SECURITY": "two ports use this MAC: find out which one should",
    "SAME_PORT": "none: sender and destination are at one port",
    "NO_RECEIVER": "none: nobody else carries this VLAN here",
    "STORM": "lower the sender's rate, or raise the storm-control rate",
}
"""What to do about a drop."""


@dataclass(frozen=True, slots=True)
class Names:
    """What lports are called."""

    port: Callable[[int], str]
    profile: Callable[[int], str]
    """Name of the port profile; "" when there is none."""


def profile_line(policy: Policy, profile: str) -> str:
    """The line that says which VLANs the port carries."""
    if not policy.trunk:
        line = f"switchport access vlan {policy.vlan}" if policy.vlan else "switchport mode access, untagged"
    else:
        native = f", native vlan {policy.vlan}" if policy.vlan else ""
        line = f"switchport trunk allowed vlan {policy.allowed}{native}"
    return f"port-profile {profile}: {line}" if profile else line


def explain(trace: Trace, lport: int, frame: bytes, image: Image, names: Names) -> str:
    """The whole text."""
    lines = [f"Frame in by {names.port(lport)}: {headers(frame)}, {len(frame)} bytes"]
    for number, item in enumerate(trace.steps, start=1):
        title, rules = STEPS[item.step]
        result = f"DROP {item.reason}" if item.reason else _passed(trace, item.step, names)
        lines.append(f"{number:3}  {title} [{rules}]: {result}")
        if item.step is Step.CLASSIFY and (line := _line_of(image, lport, names)):
            lines.append(f"     {line}")
    lines += [_receiver(copy, image, names) for copy in trace.copies]
    reasons = {trace.reason, *(copy.reason for copy in trace.copies)} - {""}
    remedies = {**REMEDIES, **_of_the_network(image, lport, frame)}
    lines.append(f"Dropped: {trace.reason}" if trace.reason else _verdict(trace))
    for reason in sorted(reasons):
        lines.append(f"{reason}: {BY_NAME[reason].sentence}")
        if reason in remedies:
            lines.append(f"  remedy: {remedies[reason]}")
    return "\n".join(lines) + "\n"


NATIVE = (
    "it came untagged: if the physical switch's native VLAN is one of ours, give the uplink's profile the same one, "
    "or let the physical switch tag it"
)


def _of_the_network(image: Image, lport: int, frame: bytes) -> dict[str, str]:
    """Remedies for what an uplink brings: of untagged frames the native VLAN is suspected (S-047)."""
    port = image.ports.get(lport)
    untagged = port is not None and port.uplink and frame[12:14] not in (b"\x81\x00", b"\x88\xa8")
    return {"VLAN_MISMATCH": NATIVE, "UNKNOWN_UNICAST": NATIVE} if untagged and _tagging(image, lport) else {}


def _tagging(image: Image, lport: int) -> bool:
    """Whether the port takes untagged frames for none of its VLANs."""
    policy = image.policies.get(image.ports[lport].policy)
    return policy is not None and policy.trunk and not policy.vlan


def _passed(trace: Trace, step: Step, names: Names) -> str:
    if step is Step.CLASSIFY:
        return f"VLAN {trace.vlan}" if trace.vlan else "untagged"
    if step is not Step.LOOKUP:
        return "ok"
    if trace.out:
        return f"known at {names.port(trace.out)}"
    uplink = f", and uplink {names.port(trace.out_uplink)}" if trace.out_uplink else ""
    return f"{'unknown destination' if trace.unknown else 'flooded'}: ports of the VLAN that take it{uplink}"


def _line_of(image: Image, lport: int, names: Names) -> str:
    port = image.ports.get(lport)
    policy = image.policies.get(port.policy) if port else None
    return profile_line(policy, names.profile(lport)) if policy else ""


def _receiver(copy: TraceCopy, image: Image, names: Names) -> str:
    tag = "untagged" if copy.tci is None else f"tag vlan {copy.tci & 4095} priority {copy.tci >> 13}"
    result = f"DROP {copy.reason}" if copy.reason else f"delivered, {tag}"
    line = _line_of(image, copy.lport, names)
    return f"  -> {names.port(copy.lport)}: {result}" + (f" ({line})" if line else "")


def _verdict(trace: Trace) -> str:
    delivered = sum(not copy.reason for copy in trace.copies)
    return f"Forwarded: {delivered} of {len(trace.copies)} receivers get it"
