#!/bin/sh
# What udhcpc calls for every event of a lease; see `busybox udhcpc --help`.
# In: the event ($1); the lease as variables from udhcpc (ip, mask, router, dns, domain,
#     serverid, lease); NETLAB_LEASE, the file that describes this interface's lease;
#     NETLAB_RESOLV, the /etc/resolv.conf that programs in the VM see.
# Out: address and default route in the kernel, the two files.

forget() {
    rm -f "$NETLAB_LEASE"
    busybox ip -4 addr flush dev "$interface"
}

configure() {
    if ! busybox ip -4 addr show dev "$interface" | grep -qF "inet $ip/$mask "; then
        busybox ip -4 addr flush dev "$interface"
        busybox ip addr add "$ip/$mask" broadcast + dev "$interface"
    fi
    # With several adapters, the first one's default route wins: eth0's metric is 0.
    for gateway in $router; do
        busybox ip route replace default via "$gateway" dev "$interface" metric "${interface#eth}"
        break
    done
    cat >"$NETLAB_LEASE.new" <<EOF
address=$ip/$mask
router=${router%% *}
dns=$dns
domain=$domain
server=$serverid
seconds=$lease
obtained=$(date +%s)
EOF
    mv "$NETLAB_LEASE.new" "$NETLAB_LEASE"
}

name_servers() {
    # Written in place: the file may be mounted over /etc/resolv.conf just now.
    {
        sed -n 's/^domain=\(..*\)/search \1/p' "${NETLAB_LEASE%.*}".eth* | head -n 1
        sed -n 's/^dns=\(..*\)/\1/p' "${NETLAB_LEASE%.*}".eth* | tr ' ' '\n' | sed 's/^/nameserver /'
    } 2>/dev/null >"$NETLAB_RESOLV"
}

case $1 in
deconfig) forget ;;
bound | renew) configure ;;
*) exit 0 ;;
esac
name_servers
