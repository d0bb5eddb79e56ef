#!/bin/sh
# Puts into `.env` what docker-compose.yml requires: a password for every account, a key for every service, each of 192
# random bits. What is there already stays: the databases know it. For people with Docker alone, so in plain sh.
set -eu
cd "$(dirname "$0")/../.."
file=${1:-.env}

umask 077
touch "$file"
chmod 600 "$file"
[ -z "$(tail -c 1 "$file")" ] || echo >>"$file"
for name in $(grep -o '\${[A-Z_]*:?' docker-compose.yml | tr -d '${:?' | sort -u); do
    grep -q "^$name=." "$file" || echo "$name=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')" >>"$file"
done
