#!/bin/bash
# PID 1 of namespaces of its own: makes the folder $1 their root, with what a kernel and an init give a machine,
# mounts the other folders, each given as SOURCE:TARGET, and says "ready". It ends when its input does.
# It is bash because PID 1 must reap what others leave.
set -euo pipefail
root=$1
shift

# chroot would not do: in one, nobody may make a user namespace, as labs without root do.
mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t devpts -o newinstance,ptmxmode=666,gid=5,mode=620 devpts dev/pts
mkdir -p dev/shm
mount -t tmpfs tmpfs dev/shm
mount -t tmpfs -o mode=755,nosuid,nodev,noexec tmpfs run # As Debian has it.
mkdir run/lock
for folder; do
    mkdir -p "./${folder#*:}"
    mount --bind "${folder%%:*}" "./${folder#*:}"
done
tr -d - <proc/sys/kernel/random/uuid >etc/machine-id # As an init does at the first boot.
hostname bare
printf 'bare\n' >etc/hostname
printf '127.0.0.1 localhost\n127.0.1.1 bare\n' >etc/hosts
rm -f etc/resolv.conf
echo 'nameserver 10.0.2.3' >etc/resolv.conf # slirp4netns' own
pivot_root . .
umount -l .

echo ready
read -r _ || true
