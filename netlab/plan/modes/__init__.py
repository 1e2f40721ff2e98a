"""A file for each mode of a virtual network: what it puts between its VMs and the host."""
