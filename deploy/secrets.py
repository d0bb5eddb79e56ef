"""Passwords and keys: made once, kept in a file that only its owner reads."""

import json
import secrets
from pathlib import Path

from deploy.errors import DeployError
from deploy.files import write_atomically


class Secrets:
    """The passwords of one state folder, by name."""

    def __init__(self, path: Path) -> None:
        """Read what is kept in the file, which need not exist yet. Raises DeployError if it cannot be read."""
        self._path = path
        try:
            self._known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        except (OSError, ValueError) as error:
            raise DeployError(f"The passwords in {path} cannot be read: {error}") from error

    def get(self, name: str) -> str:
        """Return the password of this name; the first time, a new one of 192 random bits."""
        if name not in self._known:
            self._known[name] = secrets.token_urlsafe(24)
            write_atomically(self._path, json.dumps(self._known, indent=1))
        return self._known[name]
