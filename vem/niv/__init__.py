"""A host that leaves switching to a VIS (mode NIV): its agent's side of it.

stages.py (how a change of mode goes), memory.py (what is remembered of it, also in the state file), dress.py (what is
wanted of a host whose ports are the VIS's), overlay.py (what that comes to in the datapath), report.py (what the
supervisor is told), side.py (the shell that ties them to frames, NICs and the VIF control of dvswitch/vif).
"""
