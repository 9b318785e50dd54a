"""What people see of watched frames: pcapng files, lines of text, and traces put in words.  Pure: values in, text or
bytes out."""
