#!/bin/bash
# apart.sh COMMAND...: runs it as on a machine without labs, whichever are up, as `nat` is after `make up`.
# These go on undisturbed: /run and /etc are others, and processes are not seen. The network is the machine's.
set -euo pipefail
exec unshare --mount --pid --fork --kill-child --mount-proc --propagation private bash -euo pipefail -c '
    # A copy, and nothing mounted on /etc/netns: netlab removes that folder.
    mount -t tmpfs -o mode=755 tmpfs /run
    cp --archive /etc/. /run
    rm -rf /run/netns
    mount --move /run /etc
    mount -t tmpfs -o mode=755 tmpfs /run
    mkdir /run/lock
    "$@"
    exit' apart "$@" # Bash stays, as the process that reaps.
