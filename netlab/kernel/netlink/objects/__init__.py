"""A file for each kind of object that netlink has: its requests, and the one decoder of its messages."""
