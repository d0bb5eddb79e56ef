"""docker-compose.yml as compose understands it, for tests that have no engine."""

import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

from deploy.settings import REPOSITORY

TEXT = (REPOSITORY / "docker-compose.yml").read_text()


def composed(**environment: str) -> dict[str, Any]:
    """Return the services of the file, with the environment in the place of each `${NAME:-default}`, or the default."""
    filled = re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: environment.get(found[1]) or found[2], TEXT)
    services: dict[str, Any] = yaml.safe_load(filled)["services"]
    return services


def told(container: dict[str, Any]) -> dict[str, str]:
    """Return its environment. Compose fills in variables after reading the YAML: an empty one is an empty text."""
    return {name: "" if value is None else str(value) for name, value in container.get("environment", {}).items()}


def of_the_image() -> dict[str, str]:
    """Return the variables that the Dockerfile sets."""
    lines = (REPOSITORY / "Dockerfile").read_text().rpartition("FROM ")[2].replace("\\\n", " ").splitlines()
    return dict(pair.split("=", 1) for line in lines if line.startswith("ENV ") for pair in line.split()[1:])


def make_secrets(folder: Path) -> dict[str, str]:
    """Run deploy/docker/secrets.sh for this folder; return what is in its files, by their names."""
    subprocess.run([REPOSITORY / "deploy" / "docker" / "secrets.sh", folder], check=True)
    return {file.name: file.read_text().strip() for file in folder.iterdir()}


def is_ours(container: dict[str, Any]) -> bool:
    """Tell whether it runs our image."""
    return bool(container["image"] == "ates")
