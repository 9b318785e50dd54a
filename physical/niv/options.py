"""Options of `vis run` that make the switch a VIS, and what they come to."""

from __future__ import annotations

import argparse
import platform
import uuid
from pathlib import Path

from dvswitch.client import TlsFiles
from dvswitch.errors import InvalidValue
from dvswitch.mobility import DEFAULT_PORT, parse_endpoint
from dvswitch.vif.messages import LAST_VIF
from physical.niv.vis import VisSettings
from physical.switch_config import SwitchConfig
from vem.agent.agent import Identity
from vem.agent.session import Endpoint

ENGINES = ("user", "kernel")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Of `vis run`."""
    parser.add_argument(
        "--vsm", default="", metavar="ADDRESS", help="be a VIS, a module of this supervisor: unix:PATH, or HOST:PORT"
    )
    parser.add_argument("--tls-dir", type=Path, metavar="DIR", help="ca.pem, and NAME.pem and NAME.key of --name")
    parser.add_argument("--domain", type=int, default=1, metavar="N", help="the supervisor's domain (default 1)")
    parser.add_argument("--uuid", default="", metavar="UUID", help="this VIS's identity; with --vsm")
    parser.add_argument("--address", default="", metavar="TEXT", help="address shown to operators as Server-IP")
    parser.add_argument("--state-dir", type=Path, metavar="DIR", help="where a VIS keeps its VIFs; with --vsm")
    parser.add_argument(
        "--last-vif", type=int, default=LAST_VIF, metavar="N", help="VIFs per link (default %(default)s)"
    )
    parser.add_argument(
        "--mobility",
        metavar="ADDRESS[:PORT]",
        help="let other hosts and VISes pass frames on for VMs that move here, and pass on to them, from this address"
        f" (port {DEFAULT_PORT}); with --vsm",
    )
    parser.add_argument("--engine", default="user", choices=ENGINES, help="datapath (default %(default)s)")


def vis_settings(options: argparse.Namespace, config: SwitchConfig) -> VisSettings | None:
    """None: an ordinary switch.  InvalidValue when the options don't go together."""
    niv = [port.number for port in config.ports.values() if port.niv]
    if not options.vsm:
        if niv:
            raise InvalidValue(f"port {niv[0]}", "can't be a NIV link without a supervisor", "give --vsm")
        return None
    if options.state_dir is None:
        raise InvalidValue("option --state-dir", "is missing; a VIS has to remember its VIFs")
    if not 1 <= options.domain <= 4095:
        raise InvalidValue("option --domain", f"'{options.domain}' is out of range 1-4095")
    if not 1 <= options.last_vif <= LAST_VIF:
        raise InvalidValue("option --last-vif", f"'{options.last_vif}' is out of range 1-{LAST_VIF}")
    system = f"{platform.system()} {platform.release()}"
    identity = Identity(_uuid(options.uuid), options.name, options.domain, system, options.address)
    tls = TlsFiles.in_directory(options.tls_dir, options.name) if options.tls_dir else None
    mobility = parse_endpoint(options.mobility, DEFAULT_PORT) if options.mobility else None
    return VisSettings(identity, Endpoint(options.vsm, tls), options.state_dir, options.last_vif, mobility)


def _uuid(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise InvalidValue("option --uuid", f"'{text}' is not a UUID", "a VIS needs one that stays") from None
