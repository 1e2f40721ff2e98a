"""The kernel's present state: tables, routes, sockets, counters, and changes of them."""
