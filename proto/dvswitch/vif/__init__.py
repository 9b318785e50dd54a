"""VIF control: how a host in NIV mode and the switch it is cabled to agree on VIFs (docs/vif-control.md).

messages.py (values), codec.py (frames), announcement.py (the TLV in LLDP), channel.py (one link's numbered messages),
host.py (the Interface Virtualizer's side), bridge.py (the Virtual Interface Switch's side).  Everything is pure: the
shells that send and receive are in vem/niv/ and physical/niv/.
"""
