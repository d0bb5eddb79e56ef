#!/bin/sh
# Makes the files that docker-compose.yml mounts as secrets: a password for every account and a key for every service,
# each of 192 random bits. What is there already stays: the servers know it. For people with Docker alone, so in plain sh.
#
# The folder is closed to others and the files in it are not: whoever runs in a container is another user than you are.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
folder=${1:-"$root/secrets"}
mkdir -p "$folder"
chmod 700 "$folder"
cd "$folder"

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
keep() { [ -s "$1" ] || printf '%s\n' "$2" >"$1"; } # name, content

# The passwords once stood in .env. The data of Postgres know the administrator's; all others are set anew at each `up`.
former=$([ ! -e "$root/.env" ] || sed -n 's/^POSTGRES_PASSWORD=//p' "$root/.env")
keep postgres_password "${former:-$(random)}"
keep ates_postgres_url "postgresql://postgres:$(cat postgres_password)@postgres:5432/postgres"
keep ates_rabbitmq_url "amqp://ates:$(random)@broker:5672/ates"
keep rabbitmq_erlang_cookie "$(random)"
keep grafana_password "$(random)"
[ -e smtp_url ] || : >smtp_url # letters stay files without one
for service in auth tracker billing analytics; do
    keep "${service}_database_url" "postgresql://${service}_app:$(random)@postgres:5432/ates_$service"
    keep "${service}_owner_database_url" "postgresql://${service}_owner:$(random)@postgres:5432/ates_$service"
    keep "${service}_amqp_url" "amqp://$service:$(random)@broker:5672/ates"
    keep "${service}_secret_key" "$(random)"
done
chmod 644 ./*
