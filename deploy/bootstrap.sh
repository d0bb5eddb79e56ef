#!/usr/bin/env bash
# What must be there before Python code of ours can run. Everything that is there already is left alone.
#
#   deploy/bootstrap.sh run    for `make up`: Postgres, RabbitMQ, the locked Python environment, compiled translations
#   deploy/bootstrap.sh dev    for `make test`: the same with what only developers need, and a browser
#   deploy/bootstrap.sh soak   for `make soak`: the same with what only long tests need
set -euo pipefail
cd "$(dirname "$0")/.."
purpose=${1:-run}

fail() {
  printf '\n%s\n\n' "$*" >&2
  exit 1
}

# Two of us at once would build one environment in the other.
exec 9<deploy/bootstrap.sh
flock 9

find_python() {
  local candidate
  for candidate in python3.11 python3 python3.12 python3.13; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  return 1
}

have_postgres() { compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || command -v postgres >/dev/null; }
have_rabbitmq() { [ -n "${ATES_RABBITMQ_SERVER:-}" ] || [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || [ -x /opt/rabbitmq/sbin/rabbitmq-server ]; }
have_browser() { command -v chromium-headless-shell chromium chromium-browser >/dev/null; }

# Without the window that nobody sees, Chromium takes a third of the processor. Not every distribution has that package.
browser_package() {
  if apt-cache show chromium-headless-shell >/dev/null 2>&1; then echo chromium-headless-shell; else echo chromium; fi
}

missing_packages() {
  python=$(find_python) || echo python3
  "${python:-python3}" -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
  have_postgres || echo postgresql
  have_rabbitmq || echo rabbitmq-server
  [ "$purpose" = run ] || have_browser || echo chromium fonts-liberation
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Installs packages without letting them start servers of their own: ours are private ones, below the state folder.
install_packages() {
  local policy=/usr/sbin/policy-rc.d cluster=/etc/postgresql-common/createcluster.d/ates.conf undo=()
  command -v apt-get >/dev/null ||
    fail "These are missing, and this machine has no apt-get to install them with: $*." \
      "Install them in this machine's own way, then run the same command again."
  [ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
    fail "These packages are missing: $*. You are not root and there is no sudo. Have somebody who may do it run
  apt-get install --no-install-recommends $*
and then run the same command again."
  echo "Installing $* ..."
  if ! [ -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
    undo+=("$policy")
  fi
  if ! [ -e /usr/share/postgresql-common ]; then
    as_root mkdir -p "$(dirname "$cluster")"
    echo 'create_main_cluster = false' | as_root tee "$cluster" >/dev/null
    undo+=("$cluster")
  fi
  local done=yes
  as_root apt-get update -qq || true # an old list may still do
  set -- "${@/#chromium/$(browser_package)}"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >"$log" 2>&1 ||
    done=no
  [ "${#undo[@]}" = 0 ] || as_root rm -f "${undo[@]}"
  [ "$done" = yes ] || fail "$(tail -n 15 "$log")

The packages could not be installed: $*. Is there a network, and may you install? (The lines above are apt-get's.)
Install them by hand, then run the same command again."
  # It was not started now; it must not take our port after the next boot either.
  if [[ " $* " == *" rabbitmq-server "* && -d /run/systemd/system ]]; then
    as_root systemctl disable --quiet rabbitmq-server || true
  fi
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT

mapfile -t packages < <(missing_packages | tr ' ' '\n')
[ "${#packages[@]}" = 0 ] || install_packages "${packages[@]}"
python=$(find_python) || fail "Python 3.11 or newer is needed; this machine's python3 is $(python3 --version 2>&1)."

# The lock of the developers holds that of the running system, and the one of long tests that of the developers.
case $purpose in
  soak) locks=(requirements-soak.lock requirements-dev.lock requirements.lock) ;;
  dev) locks=(requirements-dev.lock requirements.lock) ;;
  *) locks=(requirements.lock) ;;
esac

installed() {
  local lock
  for lock in "${locks[@]}"; do
    sha256sum --status --check ".venv/.installed/$lock.sha256" 2>/dev/null || return 1
  done
}

if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  echo "Making the Python environment .venv ..."
  "$python" -m venv --clear .venv || fail "The Python environment could not be made with $python."
fi
if ! installed; then
  echo "Installing the Python packages of ${locks[0]} ..."
  .venv/bin/python -m pip --version >/dev/null 2>&1 || "$python" -m venv --clear .venv
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "${locks[0]}" ||
    fail "The Python packages could not be installed (pip's words are above). Is there a network? Then run the same command again."
  mkdir -p .venv/.installed
  for lock in "${locks[@]}"; do
    sha256sum "$lock" >".venv/.installed/$lock.sha256"
  done
fi

for source in chassis/translations/*/LC_MESSAGES/*.po; do
  if [ "$source" -nt "${source%.po}.mo" ]; then
    .venv/bin/pybabel --quiet compile -d chassis/translations
    break
  fi
done
