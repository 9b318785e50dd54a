"""Who is at the other end of an uplink: what this host says by LLDP and CDP, and whom it hears.  Pure; time is passed
in."""
