"""A trace in words: each step with the rule and the lines of the configuration that decided, each receiver with its
tag, and for a drop what it means and what to do about it (reasons.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from dvswitch.drops import BY_NAME
from vem.capture.reasons import TEAM, VERDICTS, VLANS
from vem.capture.text import headers
from vem.datapath.image import Image, Storm
from vem.datapath.watch import Step, Trace, TraceCopy, TraceStep

STEPS = {
    Step.PARSE: ("Ethernet header", "S-002"),
    Step.PORT: ("port is in use", "S-001"),
    Step.ADMIT: ("state, size, source MAC, control frames, forged transmits", "S-004 to S-022"),
    Step.CONTROL: ("control frame for switches", "S-018 to S-021"),
    Step.CLASSIFY: ("VLAN", "S-030 to S-047"),
    Step.LOCAL_SOURCE: ("source is not a local port's, seen from outside", "S-087"),
    Step.STORM: ("storm control", "not numbered"),
    Step.LEARN: ("learning", "S-062 to S-074"),
    Step.LOOKUP: ("receivers", "S-080 to S-094"),
    Step.NIV: ("NIV link", "S-092"),
}
"""What each step looks at, and its rules."""

Lines = Callable[[int, Iterable[str]], list[str]]
"""(lport, settings) -> the lines of the configuration that say them, with their places."""


@dataclass(frozen=True, slots=True)
class Names:
    """What lports are called."""

    port: Callable[[int], str]
    lines: Lines = lambda _lport, _settings: []


def explain(trace: Trace, lport: int, frame: bytes, image: Image, names: Names) -> str:
    """The whole text."""
    told = [f"Frame in by {names.port(lport)}: {headers(frame)}, {len(frame)} bytes"]
    for number, item in enumerate(trace.steps, start=1):
        title, rules = STEPS[item.step]
        if item.reason:
            rules = VERDICTS[item.reason].rules
        result = f"DROP {item.reason}" if item.reason else _passed(trace, item.step, names)
        told.append(f"{number:3}  {title} [{rules}]: {result}")
        told += [f"     {line}" for line in names.lines(lport, _deciding(trace, item, lport, frame, image))]
    for copy in trace.copies:
        told += _receiver(copy, trace, names, image)
    told += _outcome(trace, lport, names)
    remedies = _of_the_network(image, lport, frame)
    for reason in sorted({trace.reason, *(copy.reason for copy in trace.copies)} - {""}):
        remedy = remedies.get(reason, VERDICTS[reason].remedy)
        told += [f"{reason}: {BY_NAME[reason].sentence}", f"  remedy: {remedy}"]
    return "\n".join(told) + "\n"


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


def _deciding(trace: Trace, item: TraceStep, lport: int, frame: bytes, image: Image) -> tuple[str, ...]:
    """The settings that a step went by."""
    port = image.ports.get(lport)
    policy = image.policies.get(port.policy) if port else None
    if item.reason:
        settings = VERDICTS[item.reason].settings
        return _storm(trace, frame) if item.reason == "STORM" else settings
    if port is None or policy is None:
        return ()
    if item.step is Step.CLASSIFY:
        return VLANS
    if port.uplink:
        return ()
    if item.step is Step.ADMIT:
        return ("forged_transmits",) if frame[6:12] != port.mac.octets else ()
    if item.step is Step.STORM:
        return _storm(trace, frame) if policy.storm != Storm() else ()
    if item.step is Step.LEARN:
        return ("mac_learning", "mac_limit") if policy.learn else ()
    return TEAM if item.step is Step.LOOKUP and trace.out_uplink else ()


def _storm(trace: Trace, frame: bytes) -> tuple[str, ...]:
    """Which limit a frame counts against."""
    if not frame[0] & 1:
        return ("storm_unknown",)
    return ("storm_broadcast",) if frame[:6] == b"\xff" * 6 else ("storm_multicast",)


def _passed(trace: Trace, step: Step, names: Names) -> str:
    if step is Step.CLASSIFY:
        return f"VLAN {trace.vlan}" if trace.vlan else "untagged"
    if step is Step.NIV:
        return _tagged(trace, names)
    if step is not Step.LOOKUP:
        return "ok"
    if trace.out:
        return f"known at {names.port(trace.out)}"
    uplink = f", and uplink {names.port(trace.out_uplink)}" if trace.out_uplink else ""
    return f"{'unknown destination' if trace.unknown else 'flooded'}: ports of the VLAN that take it{uplink}"


def _tagged(trace: Trace, names: Names) -> str:
    """What became of a frame at a NIV link: it came with a tag, or goes by one instead of being looked up."""
    if trace.niv:
        return str(trace.niv)
    return f"goes by {names.port(trace.out)}" if trace.out and len(trace.steps) <= 2 else "no tag"


def _receiver(copy: TraceCopy, trace: Trace, names: Names, image: Image) -> list[str]:
    """One receiver: its tag, or why it gets nothing, and the lines that decide."""
    tag = "untagged" if copy.tci is None else f"tag vlan {copy.tci & 4095} priority {copy.tci >> 13}"
    tag += f", {copy.niv}" if copy.niv else ""
    tag += f", by {names.port(copy.link)}" if copy.link else ""
    tag += ", with the copy before" if copy.shared else ""
    result = f"DROP {copy.reason} [{VERDICTS[copy.reason].rules}]" if copy.reason else f"delivered, {tag}"
    settings = VERDICTS[copy.reason].settings if copy.reason else VLANS
    port = image.ports.get(copy.lport)
    policy = image.policies.get(port.policy) if port else None
    if policy and not copy.reason and not trace.out:
        settings += ("unknown_flood",) if trace.unknown and policy.unknown_flood else ()
    if policy and policy.promiscuous and not copy.reason and trace.out != copy.lport:
        settings += ("promiscuous",)
    lines = names.lines(copy.lport, settings)
    return [f"  -> {names.port(copy.lport)}: {result}", *(f"     {line}" for line in lines)]


def _outcome(trace: Trace, lport: int, names: Names) -> list[str]:
    """The end; a frame that no step dropped, but that nobody gets, has its rules and lines here."""
    if trace.reason and not any(item.reason for item in trace.steps):
        verdict = VERDICTS[trace.reason]
        lines = names.lines(lport, verdict.settings)
        return [f"Dropped: {trace.reason} [{verdict.rules}]", *(f"     {line}" for line in lines)]
    if trace.reason:
        return [f"Dropped: {trace.reason}"]
    delivered = sum(not copy.reason for copy in trace.copies)
    return [f"Forwarded: {delivered} of {len(trace.copies)} receivers get it"]
