"""Secrets that come as files: of docker compose (/run/secrets), of systemd (LoadCredential), of Kubernetes."""

import os
from collections.abc import MutableMapping
from pathlib import Path


def read_secret_files(environment: MutableMapping[str, str] = os.environ) -> None:
    """Add the variables that the files in the folder `ATES_SECRETS_DIR` hold; what is set already stays.

    The file `tracker_database_url` holds TRACKER_DATABASE_URL. So no password is in the environment with which a
    process was started, which others may look into. Raises OSError if the folder is named and cannot be read.
    """
    folder = environment.get("ATES_SECRETS_DIR")
    if not folder:
        return
    for file in Path(folder).iterdir():
        name = file.name.upper()
        if file.is_file() and not environment.get(name):
            environment[name] = file.read_text(encoding="utf-8").strip()
