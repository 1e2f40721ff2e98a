#!/bin/sh
# Has the kernel patch some jumps of its own now, and not again for as long as the machine runs. Leaves a
# process in its network namespace.
#
# With the first rule of a machine that traces packets, the kernel patches a jump in nft_do_chain (the static key
# nft_trace_enabled), and back with the end of the last one; with the first event that somebody records, jumps at
# that event, and in __schedule. If another processor is just running there, both of QEMU's emulated ones may stay
# at that instruction for ever ("soft lockup", "rcu_preempt kthread starved"; QEMU 7.2, Linux 6.1: seen under
# `ping -f` and the first `trace`, and in the tests of tracepoints). What is kept here keeps them patched.
set -eu
nft 'add table ip kept
add chain ip kept input { type filter hook input priority filter; }
add rule ip kept input meta nftrace set 1'
setsid sleep infinity </dev/null >/dev/null 2>&1 &
tracing=/sys/kernel/tracing
mountpoint -q $tracing || mount -t tracefs tracefs $tracing
mkdir $tracing/instances/kept
echo 0 >$tracing/instances/kept/tracing_on
echo 1 >$tracing/instances/kept/events/skb/kfree_skb/enable
