#!/bin/sh
# Makes a plain Debian root file system ($1) into a machine that one can log into, as Vagrant's boxes are:
# a user `vagrant` with sudo and the public key $2, sshd, DHCP on every network card.
set -eu
root=$1
public_key=$2

echo netlab >"$root/etc/hostname"
printf '127.0.0.1 localhost\n127.0.1.1 netlab\n' >"$root/etc/hosts"
echo 'LABEL=netlab / ext4 errors=remount-ro 0 1' >"$root/etc/fstab"
printf '[Match]\nName=e*\n[Network]\nDHCP=yes\n' >"$root/etc/systemd/network/cards.network"
chroot "$root" systemctl --quiet enable systemd-networkd systemd-resolved ssh
chroot "$root" systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer
echo 'UseDNS no' >"$root/etc/ssh/sshd_config.d/vagrant.conf"

chroot "$root" useradd --create-home --shell /bin/bash vagrant
echo 'vagrant ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/vagrant"
install -d -m 700 "$root/home/vagrant/.ssh"
install -m 600 "$public_key" "$root/home/vagrant/.ssh/authorized_keys"
chroot "$root" chown -R vagrant: /home/vagrant/.ssh
