#!/bin/sh
# The page of every server of a lab: whom does it see? Called by busybox httpd.
printf 'Content-Type: text/plain; charset=utf-8\r\n\r\n'
echo "This is ${HTTP_HOST:-a server}."
echo "You come from $REMOTE_ADDR, port $REMOTE_PORT."
