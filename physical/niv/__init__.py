"""The switch as a VIS: a module of the supervisor whose ports are, beside its own, the NICs of NIV hosts.

links.py      VIF control with the hosts (dvswitch/vif/bridge.py) and its shell
card.py       one host's NICs: an agent of the host's slot (vem/agent) on a part of the engine
part.py       such a part: an Engine of its own to its user
hub.py        the one engine behind all parts; merge.py puts their Images together (pure)
module.py     the VIS's own session with the supervisor
vis.py        all of that together; ../vis.py starts it
"""
