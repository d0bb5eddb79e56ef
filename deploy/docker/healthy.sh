#!/bin/bash
# The health check of a container: is its process ready, as /readyz says? In bash, so that it starts no interpreter every few seconds.
#
# A process that does not come to its work any more, as /livez says or nobody answers, is ended: after 12 checks in a row, and
# after 36 if it has never been alive. Docker starts it anew. As many seconds as `make up` has patience, see deploy/liveness.py.
set -u
alive=/tmp/was-alive bad=/tmp/bad-answers limit=36

answers() { # /livez -> is the status 200? A process that hangs takes no connection any more when some wait already.
    timeout 2 bash -c 'exec 3<>/dev/tcp/127.0.0.1/8000 && printf "GET $0 HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n" >&3 &&
        read -r _ status _ <&3 && [ "$status" = 200 ]' "$1" 2>/dev/null
}

if answers /livez; then
    touch "$alive"
    : >"$bad"
else
    [ ! -e "$alive" ] || limit=12
    echo >>"$bad"
    [ "$(wc -l <"$bad")" -lt "$limit" ] || kill -KILL -1
    exit 1
fi
answers /readyz
