"""Bytes on the wire: frames, echo requests, taps, sockets that send many at once."""
