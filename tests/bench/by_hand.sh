#!/bin/sh
# The hops of the scenario `nat`, made as a person would: ip, and nft for three routers that filter and masquerade.
#
#     by_hand.sh up | by_hand.sh down
#
# h-vm1, h-vm2 -- h-sw -- h-nat -- h-host -- h-lan -- h-router -- h-internet
set -eu
nodes="h-vm1 h-vm2 h-sw h-nat h-host h-lan h-router h-internet"

if [ "$1" = down ]; then
    for node in $nodes; do ip netns del "$node"; done
    exit
fi

for node in $nodes; do
    ip netns add "$node"
    ip -n "$node" link set lo up
done

bridge() { # NODE
    ip -n "$1" link add br0 type bridge
    ip -n "$1" link set br0 up
}

cable() { # NODE INTERFACE NODE INTERFACE
    ip -n "$1" link add "$2" type veth peer name "$4" netns "$3"
    ip -n "$1" link set "$2" up
    ip -n "$3" link set "$4" up
}

port() { # NODE INTERFACE NODE INTERFACE: the first is a bridge's
    cable "$@"
    ip -n "$1" link set "$2" master br0
}

forward() { # NODE: a router that lets in what belongs to a connection from inside, and masquerades what leaves
    ip netns exec "$1" sysctl -qw net.ipv4.ip_forward=1
    ip netns exec "$1" nft 'table ip router {
        chain forward {
            type filter hook forward priority filter; policy drop;
            ct state established,related accept
            iifname "in" oifname "out" accept
        }
        chain postrouting {
            type nat hook postrouting priority srcnat; policy accept;
            oifname "out" masquerade
        }
    }'
}

bridge h-sw
bridge h-lan
port h-sw p1 h-vm1 eth0
port h-sw p2 h-vm2 eth0
port h-sw p3 h-nat in
cable h-nat out h-host in
port h-lan p1 h-host out
port h-lan p2 h-router in
cable h-router out h-internet eth0

ip -n h-vm1 address add 10.0.0.11/24 dev eth0
ip -n h-vm2 address add 10.0.0.12/24 dev eth0
ip -n h-nat address add 10.0.0.2/24 dev in
ip -n h-nat address add 169.254.0.2/30 dev out
ip -n h-host address add 169.254.0.1/30 dev in
ip -n h-host address add 192.168.1.100/24 dev out
ip -n h-router address add 192.168.1.1/24 dev in
ip -n h-router address add 203.0.113.1/24 dev out
ip -n h-internet address add 203.0.113.80/24 dev eth0
ip -n h-vm1 route add default via 10.0.0.2
ip -n h-nat route add default via 169.254.0.1
ip -n h-host route add default via 192.168.1.1
for node in h-nat h-host h-router; do forward "$node"; done
