"""What both sides of the fabric speak: value types, errors, drop reasons, and the generated protocol (dvswitch.v1)."""

__version__ = "0.1.0"
