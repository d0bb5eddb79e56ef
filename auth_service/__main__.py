"""`python -m auth_service web|relay|scheduler|migrate`, and the operator's `seed|create-admin|import-users`."""

from pathlib import Path

from chassis.cli import main
from chassis.service import Service

main(
    Service(
        name="auth",
        load_settings="auth_service.config:load",
        app="auth_service.app:create_app",
        jobs="auth_service.jobs:add_jobs",
        migrations=Path(__file__).parent / "migrations",
        commands="auth_service.cli:COMMANDS",
    )
)
