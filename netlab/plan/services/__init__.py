"""The configuration of a node's dnsmasq: DHCP and DNS."""
