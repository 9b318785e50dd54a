"""Which uplink carries what: teams, pins, failure detection, announcements.  Pure decisions; time is passed in."""
