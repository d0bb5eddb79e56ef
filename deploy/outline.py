"""What only the code of the services tells, for the process that looks after all others: it loads none of that code.

`python -m deploy.outline` prints it as JSON: what RabbitMQ is to know, and the newest migrations of each service.
Run once at each start, beside that of Postgres. In the supervisor itself it would stay, with 45 MB.
"""

import json
from typing import Any

from alembic.script import ScriptDirectory

from deploy import definitions
from deploy.settings import REPOSITORY, SERVICES, VHOST


def outline() -> dict[str, Any]:
    """Return `vhost`, as `definitions.vhost` does, and `migrations`, by service."""
    return {
        "vhost": definitions.vhost(VHOST, SERVICES),
        "migrations": {service: newest_migrations(service) for service in SERVICES},
    }


def newest_migrations(service: str) -> list[str]:
    """Return what a database that is up to date has in its table `alembic_version`."""
    return ScriptDirectory(str(REPOSITORY / f"{service}_service" / "migrations")).get_heads()


if __name__ == "__main__":
    print(json.dumps(outline()))
