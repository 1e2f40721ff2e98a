"""Programs of a lab: services, DHCP clients and their leases."""
