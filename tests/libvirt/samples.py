"""What libvirt 9.0 really said: command lines and XML, noted while it ran."""

from __future__ import annotations

UUID = "5b2f4f0e-92f1-4ac6-8f43-3a5a0d0c6a11"
MAC, SECOND = "52:54:00:00:00:01", "52:54:00:00:00:02"
IFACE = "7d5cf35d-2bb2-4a0f-9b4e-9f4b0d8f8f60"


def add(device: str = "vnet0", mac: str = MAC, profile: str = "web") -> list[str]:
    """A NIC with a VLAN in its portgroup is put on a bridge."""
    named = [f'external-ids:port-profile="{profile}"'] if profile else []
    ids = [
        f'external-ids:attached-mac="{mac}"',
        f'external-ids:iface-id="{IFACE}"',
        f'external-ids:vm-id="{UUID}"',
        *named,
        f'external-ids:ifname="{device}"',
        "external-ids:iface-status=active",
    ]
    words = ["--timeout=5", "--", "--may-exist", "add-port", "br0", device, "tag=10"]
    return [*words, *(word for each in ids for word in ("--", "set", "Interface", device, each))]


def delete(device: str = "vnet0") -> list[str]:
    """It is taken off."""
    return ["--timeout=5", "--", "--if-exists", "del-port", device]


def get_data(device: str = "vnet0") -> list[str]:
    """On the source of a migration."""
    return ["--timeout=5", "--if-exists", "get", "Interface", device, "external_ids:PortData"]


def set_data(data: str, device: str = "vnet0") -> list[str]:
    """On its target."""
    return ["--timeout=5", "set", "Interface", device, f'external_ids:PortData="{data}"']


STATISTICS = [
    "--timeout=5",
    "--if-exists",
    "--format=list",
    "--data=json",
    "--no-headings",
    "--columns=statistics",
    "list",
    "Interface",
    "vnet0",
]
QOS = ["--timeout=5", "--", "set", "port", "vnet0", "qos=@qos1", "--", "--id=@qos1", "create", "qos", "type=linux-htb"]
CLEAR_VLAN = [
    "--timeout=5",
    "--",
    "--if-exists",
    "clear",
    "Port",
    "vnet0",
    "tag",
    "--",
    "set",
    "Port",
    "vnet0",
    "tag=5",
]

NETWORK = """\
<network><name>n1k</name><forward mode='bridge'/><bridge name='br0'/><virtualport type='openvswitch'/>
<portgroup name='web'><vlan><tag id='10'/></vlan>
  <virtualport type='openvswitch'><parameters profileid='web'/></virtualport></portgroup>
<portgroup name='store' default='yes'>
  <virtualport type='openvswitch'><parameters profileid='db'/></virtualport></portgroup>
</network>"""


def domain(*interfaces: str) -> str:
    """A domain's XML with these interfaces."""
    return f"<domain type='qemu'><name>vm</name><uuid>{UUID}</uuid><devices>{''.join(interfaces)}</devices></domain>"


def interface(mac: str = MAC, group: str = "web", network: str = "n1k") -> str:
    """One on a portgroup, as a hook sees it."""
    at = f" portgroup='{group}'" if group else ""
    source = f"<source network='{network}'{at} portid='{IFACE}' bridge='br0'/>"
    return f"<interface type='network'><mac address='{mac}'/>{source}<model type='virtio'/></interface>"


DIRECT = f"""<interface type='bridge'><mac address='{SECOND}'/><source bridge='br0'/>
<virtualport type='openvswitch'><parameters interfaceid='{IFACE}' profileid='db'/></virtualport></interface>"""
PLAIN = "<interface type='user'><mac address='52:54:00:00:00:09'/></interface>"
OTHER = """<interface type='direct'><mac address='52:54:00:00:00:08'/>
<virtualport type='802.1Qbh'><parameters profileid='x'/></virtualport></interface>"""
