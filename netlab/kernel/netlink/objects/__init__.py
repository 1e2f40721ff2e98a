"""Kinds of netlink objects, a file for each: its requests, and the one decoder of its messages."""
