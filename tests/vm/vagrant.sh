#!/bin/bash
# PID 1 of namespaces of its own: runs libvirt in them, on empty folders below $1, and then a command.
# It is bash because PID 1 must reap what libvirt's daemons leave.
set -euo pipefail
scratch=$1
shift

mount -t tmpfs tmpfs /run
for folder in /etc/libvirt /var/lib/libvirt /var/log/libvirt /var/cache/libvirt; do
    mkdir -p "$scratch$folder" # Empty: the machine's own VMs have no part in this.
    mount --bind "$scratch$folder" "$folder"
done
# Root in a container: nobody to change to, no cgroups, no /dev of its own.
printf '%s\n' 'user = "root"' 'group = "root"' 'security_driver = "none"' \
    'cgroup_controllers = []' 'namespaces = []' >/etc/libvirt/qemu.conf

until [ -n "$(ip -o link show up dev tap0 2>/dev/null)" ]; do sleep 0.1; done
resolver=$(readlink -m /etc/resolv.conf)
mkdir -p "${resolver%/*}"
[ -e "$resolver" ] || touch "$resolver"              # It was below /run.
echo 'nameserver 10.0.2.3' >"$scratch/resolv.conf" # slirp4netns' own
mount --bind "$scratch/resolv.conf" "$resolver"

virtlogd --daemon
libvirtd --daemon
"$@"
