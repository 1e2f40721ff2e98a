"""The addresses that VMware and the other products give to machines, networks and adapters."""
