#!/usr/bin/env bash
# Removes what `make up` and `make test` made, the data included.
set -euo pipefail
cd "$(dirname "$0")/.."
state=$(realpath "${ATES_STATE_DIR:-var}")
if [ -d "$state" ]; then
  [ -e "$state/secrets.json" ] || { echo "$state does not look like a state folder of aTES; it stays." >&2; exit 1; }
  flock --nonblock "$state/up.lock" true || { echo "The system runs; stop it first." >&2; exit 1; }
  for home in "$state/postgres" "$state/rabbitmq"; do
    # The data may live elsewhere: deploy/accounts.py.
    if [ -L "$home" ]; then rm -rf "$(readlink "$home")"; fi
  done
  rm -rf "$state"
fi
rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
find . -path ./.git -prune -o -name __pycache__ -type d -print0 | xargs -0 -r rm -rf
