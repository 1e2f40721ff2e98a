#!/bin/sh
# Leaves a process in its network namespace, and a rule that traces packets, for as long as the machine runs.
#
# With the first such rule of a machine the kernel patches a jump in nft_do_chain (the static key nft_trace_enabled),
# and back with the end of the last one. If another processor is just running there, both of QEMU's emulated ones
# may stay at that instruction for ever ("soft lockup"; QEMU 7.2, Linux 6.1, under `ping -f` and the first `trace`).
# With this rule the jump is patched once, before there is any traffic.
set -eu
nft 'add table ip kept
add chain ip kept input { type filter hook input priority filter; }
add rule ip kept input meta nftrace set 1'
setsid sleep infinity </dev/null >/dev/null 2>&1 &
