#!/bin/sh
# What udhcpc calls for every event of a lease; see `busybox udhcpc --help`.
# In: the event ($1); the lease as variables from udhcpc (ip, mask, router, dns, domain,
#     serverid, lease); NETLAB_LEASE, the file that describes this interface's lease;
#     NETLAB_LEASE.in-vain, which is there while it has asked in vain;
#     NETLAB_RESOLV, the /etc/resolv.conf that programs in the VM see; NETLAB_DNS, name
#     servers of the VM's static adapters; NETLAB_METRIC, the default route's, empty if it is to set none.
# Out: address and default route in the kernel, the two files, and a copy of the second one beside
#     the first: by it `status` sees what somebody has changed.

#
# With hundreds of VMs, the programs that it calls are what a lab waits for: the shell itself
# does what it can.

forget() {
    # A client that was killed may have left what it was about to say.
    for file in "$NETLAB_LEASE" "$NETLAB_LEASE.new"; do
        [ ! -e "$file" ] || rm -f "$file"
    done
    busybox ip -4 addr flush dev "$interface"
}

configure() {
    addresses=$(busybox ip -4 addr show dev "$interface")
    case $addresses in
    *"inet $ip/$mask "*) ;;
    *)
        case $addresses in *"inet "*) busybox ip -4 addr flush dev "$interface" ;; esac
        busybox ip addr add "$ip/$mask" broadcast + dev "$interface"
        ;;
    esac
    gateway=${router%% *}
    leads_out=${NETLAB_METRIC:+$gateway}
    metric=${gateway:+$NETLAB_METRIC}
    routes="
$(busybox ip route)"
    case $routes in
    *"
default via ${leads_out:-none} dev $interface "*) ;;
    *)
        case $routes in
        *"
default "*) while busybox ip route del default dev "$interface" 2>/dev/null; do :; done ;;
        esac
        [ -z "$leads_out" ] ||
            busybox ip route add default via "$leads_out" dev "$interface" metric "$metric"
        ;;
    esac
    obtained=$(date +%s)
    printf '%s\n' "address=$ip/$mask" "router=$gateway" "metric=$metric" "dns=$dns" "domain=$domain" \
        "server=$serverid" "seconds=$lease" "obtained=$obtained" >"$NETLAB_LEASE.new"
}

# The VM's resolv.conf: the first domain, the name servers of its static adapters, then those of the
# leases of all its adapters, eth0's first; this one's lease is the new one.
resolv() {
    search= servers=$NETLAB_DNS
    for file in "${NETLAB_LEASE%.*}".[bew]*; do
        case $file in
        "$NETLAB_LEASE") continue ;;
        "$NETLAB_LEASE.new") ;;
        *.new | *.in-vain) continue ;;
        esac
        [ -f "$file" ] || continue
        while IFS='=' read -r key value; do
            case $key in
            domain) search=${search:-$value} ;;
            dns) servers="$servers $value" ;;
            esac
        done <"$file"
    done
    [ -z "$search" ] || printf 'search %s\n' "$search"
    for server in $servers; do
        printf 'nameserver %s\n' "$server"
    done
}

case $1 in
deconfig) forget ;;
bound | renew)
    [ ! -e "$NETLAB_LEASE.in-vain" ] || rm -f "$NETLAB_LEASE.in-vain"
    configure
    ;;
leasefail)
    : >"$NETLAB_LEASE.in-vain"
    exit 0
    ;;
*) exit 0 ;;
esac

# Two adapters' clients may be here at once. The file is written in place and at once: it may
# be mounted over /etc/resolv.conf just now.
exec 9<"$NETLAB_RESOLV"
flock 9
text=$(resolv)
printf '%s\n' "$text" >"$NETLAB_RESOLV"
printf '%s\n' "$text" >"${NETLAB_LEASE%.*}.resolv"

# Last of all: who waits for the lease finds everything done.
[ ! -f "$NETLAB_LEASE.new" ] || mv "$NETLAB_LEASE.new" "$NETLAB_LEASE"
