"""Kernel engines for the benchmarks, each of its own name and removed afterwards, and the paths through them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from dvswitch.mac import MacAddress
from tests.bench.paths import FAR_MAC, NEAR_MAC, Path, plug_both
from tests.bench.tables import FIRST_VNIC, UPLINK, access_image, all_on
from tests.support.netns import Lab, Namespace
from vem.datapath.apply import apply_image
from vem.datapath.engine import Plug
from vem.datapath.image import Image
from vem.datapath.kernel import KernelEngine
from vem.datapath.kernel_peer import SETTLE_SECONDS

TRUNK_MTU = 9000


@contextmanager
def kernel_switch(label: str) -> Iterator[KernelEngine]:
    """An empty kernel engine."""
    engine = KernelEngine.open(f"bench-{os.getpid()}-{label}")
    try:
        yield engine
    finally:
        engine.close(keep=False)


@contextmanager
def test_switch(image: Image) -> Iterator[KernelEngine]:
    """A kernel engine with tables, for test runs; nothing need be plugged."""
    with kernel_switch("test") as engine:
        apply_image(engine, Image(), image)
        yield engine


@contextmanager
def kernel_one_host(lab: Lab) -> Iterator[Path]:
    """Both guests on one host, in one access VLAN."""
    host = lab.namespace("kernel_one_host")
    path = plug_both(lab, "kernel_one_host", host, host)
    near, far = FIRST_VNIC, FIRST_VNIC + 1
    with kernel_switch("one") as engine:
        _plug(engine, host, {near: "near", far: "far"})
        _configure(engine, {near: NEAR_MAC, far: FAR_MAC})
        yield path


@contextmanager
def kernel_all_on(lab: Lab) -> Iterator[Path]:
    """As kernel_one_host, with every feature in use."""
    host = lab.namespace("kernel_all_on")
    path = plug_both(lab, "kernel_all_on", host, host)
    near, far = FIRST_VNIC, FIRST_VNIC + 1
    macs = {near: MacAddress.parse(NEAR_MAC), far: MacAddress.parse(FAR_MAC)}
    with kernel_switch("all") as engine:
        _plug(engine, host, {near: "near", far: "far"})
        apply_image(engine, Image(), all_on(access_image(macs)))
        _settle(engine, macs)
        yield path


@contextmanager
def kernel_two_hosts(lab: Lab) -> Iterator[Path]:
    """A host for each guest, joined by a trunk that carries their VLAN tagged."""
    hosts = [lab.namespace("kernel_first"), lab.namespace("kernel_second")]
    lab.veth(hosts[0], "up0", hosts[1], "up0", mtu=TRUNK_MTU)
    path = plug_both(lab, "kernel_two_hosts", *hosts)
    with ExitStack() as stack:
        for host, guest, mac in ((hosts[0], "near", NEAR_MAC), (hosts[1], "far", FAR_MAC)):
            engine = stack.enter_context(kernel_switch(guest))
            _plug(engine, host, {UPLINK: "up0", FIRST_VNIC: guest})
            _configure(engine, {FIRST_VNIC: mac}, uplink=True)
        yield path


def _plug(engine: KernelEngine, host: Namespace, devices: dict[int, str]) -> None:
    for lport, device in devices.items():
        kind = "raw" if lport == UPLINK else "veth"
        engine.plug(lport, Plug(kind, device, netns=host.name))


def _configure(engine: KernelEngine, macs: dict[int, str], uplink: bool = False) -> None:
    image = access_image({lport: MacAddress.parse(mac) for lport, mac in macs.items()}, uplink)
    apply_image(engine, Image(), image)
    _settle(engine, macs)


def _settle(engine: KernelEngine, lports: Iterable[int]) -> None:
    """What an agent does every second: the engine sends straight to guests' namespaces only a while after it got their
    addresses."""
    time.sleep(SETTLE_SECONDS)
    for lport in lports:
        engine.link_up(lport)
