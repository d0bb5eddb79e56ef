#!/bin/bash
# The health check of a container: is its process ready, as /readyz says? In bash, so that it starts no interpreter every few seconds.
#
# A process that does not come to its work any more, as /livez says or nobody answers within 10 s, is ended: after 6 checks in a
# row, and after 18 if it has never been alive. Docker starts it anew. `make up` has the same patience: deploy/liveness.py.
set -u
alive=/tmp/was-alive bad=/tmp/bad-answers limit=18

answers() { # /livez 10 -> is the status 200, in so many seconds? A busy web server answers late, one that hangs never.
    timeout "$2" bash -c 'exec 3<>/dev/tcp/127.0.0.1/8000 && printf "GET $0 HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n" >&3 &&
        read -r _ status _ <&3 && [ "$status" = 200 ]' "$1" 2>/dev/null
}

if answers /livez 10; then
    touch "$alive"
    : >"$bad"
else
    [ ! -e "$alive" ] || limit=6
    echo >>"$bad"
    [ "$(wc -l <"$bad")" -lt "$limit" ] || kill -KILL -1
    exit 1
fi
answers /readyz 3
