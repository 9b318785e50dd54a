"""Show commands, one file per subject: rows from State and Runtime, then text from the rows.

Layouts are those of NX-OS where the command exists there, so that today's clients parse them (nexus-1000v section 11);
those of the Nexus 1000V for its own commands.  A function rows → text never looks at anything but its rows.
"""
