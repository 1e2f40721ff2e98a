#!/bin/sh
# What udhcpc calls for every event of a lease; see `busybox udhcpc --help`.
# In: the event ($1); the lease as variables from udhcpc (ip, mask, router, dns, domain,
#     serverid, lease); NETLAB_LEASE, the file that describes this interface's lease;
#     NETLAB_RESOLV, the /etc/resolv.conf that programs in the VM see; NETLAB_DNS, name
#     servers of the VM's static adapters; NETLAB_METRIC, the default route's.
# Out: address and default route in the kernel, the two files.

forget() {
    # A client that was killed may have left what it was about to say.
    rm -f "$NETLAB_LEASE" "$NETLAB_LEASE.new"
    busybox ip -4 addr flush dev "$interface"
}

configure() {
    if ! busybox ip -4 addr show dev "$interface" | grep -qF "inet $ip/$mask "; then
        busybox ip -4 addr flush dev "$interface"
        busybox ip addr add "$ip/$mask" broadcast + dev "$interface"
    fi
    gateway=${router%% *}
    # With several adapters, the first one's default route wins.
    if ! busybox ip route | grep -q "^default via ${gateway:-none} dev $interface "; then
        while busybox ip route del default dev "$interface" 2>/dev/null; do :; done
        [ -z "$gateway" ] ||
            busybox ip route add default via "$gateway" dev "$interface" metric "$NETLAB_METRIC"
    fi
    cat >"$NETLAB_LEASE.new" <<EOF
address=$ip/$mask
router=$gateway
dns=$dns
domain=$domain
server=$serverid
seconds=$lease
obtained=$(date +%s)
EOF
}

# The leases of all adapters of the VM, eth0's first; this one's is the new one.
leases() {
    for name in eth0 eth1 eth2 eth3 eth4 eth5 eth6 eth7 eth8 eth9 wlan0 wlan1 wlan2 wlan3; do
        file=${NETLAB_LEASE%.*}.$name
        [ "$file" != "$NETLAB_LEASE" ] || file=$file.new
        [ ! -f "$file" ] || cat "$file"
    done
}

# The VM's name servers: those of its static adapters, then those of its leases.
name_servers() {
    leases | sed -n 's/^domain=\(..*\)/search \1/p' | head -n 1
    for server in $NETLAB_DNS $(leases | sed -n 's/^dns=//p'); do
        echo "nameserver $server"
    done
}

case $1 in
deconfig) forget ;;
bound | renew) configure ;;
*) exit 0 ;;
esac

# Two adapters' clients may be here at once. The file is written in place and at once: it may
# be mounted over /etc/resolv.conf just now.
exec 9<"$NETLAB_RESOLV"
flock 9
text=$(name_servers)
echo "$text" >"$NETLAB_RESOLV"

# Last of all: who waits for the lease finds everything done.
[ ! -f "$NETLAB_LEASE.new" ] || mv "$NETLAB_LEASE.new" "$NETLAB_LEASE"
