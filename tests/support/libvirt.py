"""libvirtd as a daemon under test: as many as there are hosts, each with its own files, name and network namespace.

    with Libvirtd("alpha", path / "lv-alpha", space, host.socket) as near:
        near.define_network(PROFILES)
        near.virsh("create", str(file))

A mount namespace gives each its own /etc/libvirt, /var/lib/libvirt, /run/libvirt; nothing of the machine's is touched.
Our stand-in, as dvs-libvirt-install puts it there, is first in its PATH; what libvirt said to it is written down.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import pytest

from tests.support.netns import Namespace
from tests.support.processes import Process
from tests.vm.guest_image import guest_image
from vem.libvirt import install

PARTS = {
    "etc": "/etc/libvirt",
    "lib": "/var/lib/libvirt",
    "run": "/run/libvirt",
    "log": "/var/log/libvirt",
    "cache": "/var/cache/libvirt",
}
NETWORK, HUB = "n1k", "hub"
VIRSH_SECONDS = 120.0
_DAEMON = """\
unix_sock_dir = "{run}"
auth_unix_rw = "none"
auth_unix_ro = "none"
host_uuid = "{ident}"
log_outputs = "2:file:{log}/libvirtd.log"
"""
_QEMU = """\
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
"""
_CALL = """\
#!/bin/sh
# {what}
export DVS_LIBVIRT_CONFIG='{config}' PYTHONPATH='{path}'
printf '%s\\n' "{what} $*" >>'{log}'
{command} "$@" 2>'{log}'.$$
status=$?
test "${{3-}}" = Interface && test -e '{log}.dies' && kill -9 $(cat '{log}.dies' /run/libvirt/qemu/vm.pid)
if test -s '{log}'.$$; then
  cat '{log}'.$$ >&2
  sed 's/^/  /' '{log}'.$$ >>'{log}'
fi
echo "  {what} done: $status" >>'{log}'
exit $status
"""


@dataclass(frozen=True)
class Machine:
    """A domain to be."""

    name: str
    ident: str
    group: str
    """Portgroup."""
    mac: str
    address: str
    """With the length of its prefix, as the other one."""
    hub_mac: str
    hub_address: str
    initrd: Path


class Refused(AssertionError):
    """virsh failed; the text is what it said."""


class Libvirtd:
    """One host's libvirtd; a context manager that ends it and its domains."""

    def __init__(self, name: str, home: Path, where: Namespace, agent: Path) -> None:
        if not shutil.which("libvirtd") or not shutil.which("virsh"):
            pytest.skip("needs libvirt: run deploy/setup.sh test as root")
        self.name, self.home, self._where, self._agent = name, home, where, agent
        self.calls = home / "calls"
        """What libvirt said to us, and what came of it."""
        self._ident = str(uuid.uuid4())
        self._prepare()
        self.process = Process(f"libvirtd {name}", self._command(), home / "libvirtd.out")

    @property
    def uri(self) -> str:
        return f"qemu+unix:///system?socket={self.home}/run/libvirt-sock"

    def __enter__(self) -> Libvirtd:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start it, or start it again; returns when it answers."""
        self.process.start()
        self.process.wait_ready(lambda: self._answers(), "answers")

    def close(self) -> None:
        """End the domains, then the daemon."""
        with suppress(Refused):
            for name in self.domains():
                self.virsh("destroy", name)
        self.process.end()
        for file in (self.home / "run" / "qemu").glob("*.pid"):  # a domain that libvirtd lost sight of
            with suppress(OSError, ValueError):
                pid = int(file.read_text())
                if b"qemu-system" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGKILL)

    def virsh(self, *words: str) -> str:
        """A command of virsh; its output.  Raises Refused."""
        done = subprocess.run(self.command(*words), capture_output=True, text=True, timeout=VIRSH_SECONDS)
        if done.returncode:
            raise Refused(done.stderr.strip())
        return done.stdout

    def command(self, *words: str) -> list[str]:
        """Its command line."""
        return ["virsh", "-c", self.uri, *words]

    def domains(self) -> list[str]:
        """Names of those that run here."""
        return self.virsh("list", "--name").split()

    def define_network(self, profiles: Sequence[str], vlan: int) -> None:
        """A network with one portgroup per profile, tagged as libvirt's users do it for Open vSwitch."""
        groups = "".join(
            f"<portgroup name='{name}'><vlan><tag id='{vlan}'/></vlan><virtualport type='openvswitch'>"
            f"<parameters profileid='{name}'/></virtualport></portgroup>"
            for name in profiles
        )
        file = self.home / "network.xml"
        file.write_text(
            f"<network><name>{NETWORK}</name><forward mode='bridge'/><bridge name='dvs0'/>"
            f"<virtualport type='openvswitch'/>{groups}</network>"
        )
        self.virsh("net-define", str(file))
        self.virsh("net-start", NETWORK)

    def fail_after_hand_over(self, *pids: int) -> None:
        """From now on a guest dies here as soon as its port has been handed over, before it runs; and with it these
        other processes."""
        (self.home / "calls.dies").write_text("".join(f"{pid}\n" for pid in pids))

    def fail_no_more(self) -> None:
        """The end of that."""
        (self.home / "calls.dies").unlink()

    def said(self) -> str:
        """All that libvirt said to us so far, and our answers."""
        return self.calls.read_text() if self.calls.exists() else ""

    # ---- making it

    def _prepare(self) -> None:
        for part in (*PARTS, "bin", "etc/hooks", "etc/qemu/networks"):
            (self.home / part).mkdir(parents=True, exist_ok=True)
        places = {"run": self.home / "run", "log": self.home / "log", "ident": self._ident}
        (self.home / "etc/libvirtd.conf").write_text(_DAEMON.format(**places))
        (self.home / "etc/qemu.conf").write_text(_QEMU)
        (self.home / "etc/network.conf").touch()
        config = self.home / "dvswitch.toml"
        config.write_text(f'socket = "{self._agent}"\nrun-dir = "{self.home}/notes"\nbridge = "dvs0"\n')
        python = self.home / "dvs-ovs-vsctl"
        python.write_text(f'#!/bin/sh\nexec {sys.executable} -m vem.libvirt.vsctl "$@"\n')
        python.chmod(0o755)
        self._script(self.home / "bin/ovs-vsctl", "ovs-vsctl", str(install.write(self.home / "dvs", python)), config)
        self._script(self.home / "etc/hooks/qemu", "hook", f"{sys.executable} -m vem.libvirt.hook", config)

    def _script(self, file: Path, what: str, command: str, config: Path) -> None:
        path = os.pathsep.join(filter(None, sys.path))
        values = {"what": what, "command": command, "config": config, "log": self.calls}
        file.write_text(_CALL.format(path=path, **values))
        file.chmod(0o755)

    def _command(self) -> list[str]:
        mounts = " && ".join(
            f"mkdir -p {place} && mount --bind {self.home / part} {place}" for part, place in PARTS.items()
        )
        inside = (
            f"{mounts} && mkdir -p /run/libvirt/nodedev /run/libvirt/hostdevmgr && hostname {self.name} &&"
            f" mount -t sysfs none /sys && PATH={self.home}/bin:$PATH"
            f" exec libvirtd -p {self.home}/libvirtd.pid -f /etc/libvirt/libvirtd.conf"
        )
        private = ["unshare", "--mount", "--uts", "--propagation", "private"]
        return self._where.command(*private, "sh", "-c", inside)

    def _answers(self) -> bool:
        with suppress(Refused):
            return bool(self.virsh("uri"))
        return False


def domain_xml(vm: Machine, network: str) -> str:
    """A test guest with a NIC on a portgroup of the network, and one on the host's plain bridge HUB."""
    image = guest_image()
    append = (
        "console=ttyS0 quiet loglevel=1 panic=-1 reboot=t net.ifnames=0 ipv6.disable=1 no_timer_check"
        f" dvt.name={vm.name} dvt.net=eth0,{vm.address};eth1,{vm.hub_address}"
    )
    return f"""\
<domain type='qemu'><name>{vm.name}</name><uuid>{vm.ident}</uuid><memory unit='MiB'>128</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type><kernel>{image.kernel}</kernel><initrd>{vm.initrd}</initrd>
<cmdline>{append}</cmdline></os><features><acpi/></features>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
<interface type='network'><mac address='{vm.mac}'/><source network='{network}' portgroup='{vm.group}'/>
<model type='virtio'/><rom enabled='no'/></interface>
<interface type='bridge'><mac address='{vm.hub_mac}'/><source bridge='{HUB}'/>
<model type='virtio'/><rom enabled='no'/></interface>
<serial type='null'/><memballoon model='none'/></devices></domain>"""


__all__ = ["HUB", "NETWORK", "Libvirtd", "Machine", "Refused", "domain_xml"]
