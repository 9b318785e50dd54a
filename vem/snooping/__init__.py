"""IGMP and MLD snooping: what hosts join, read from their reports."""
