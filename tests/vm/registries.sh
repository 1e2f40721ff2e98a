#!/bin/sh
# A Debian in folder $1 gets to the package indexes as this machine does: proxies, mirrors' quirks, certificates.
set -eu
root=$1

apt-config dump Acquire >"$root/etc/apt/apt.conf.d/99machine"
# In a file of its own: those in /etc/ssl/certs are the package ca-certificates', as soon as it is installed.
mkdir -p "$root/etc/ssl"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/machine.crt"
{
    echo PIP_CERT=/etc/ssl/machine.crt
    env | grep -iE '^((https?|all|no)_proxy=.|pip_(extra_)?index_url=http)' || true
} >>"$root/etc/environment"
