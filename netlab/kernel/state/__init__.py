"""What the kernel knows now: tables, routes, sockets, counters, and what changes in them."""
