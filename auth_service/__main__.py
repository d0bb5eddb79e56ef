"""`python -m auth_service web|relay|scheduler|migrate`, and the operator's `seed|create-admin|import-users`."""

from pathlib import Path

from auth_service import config
from auth_service.cli import COMMANDS
from auth_service.jobs import add_jobs
from chassis.cli import Service, main

main(
    Service(
        name="auth",
        load_settings=config.load,
        app="auth_service.app:create_app",
        jobs=add_jobs,
        migrations=Path(__file__).parent / "migrations",
        commands=COMMANDS,
    )
)
