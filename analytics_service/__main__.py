"""`python -m analytics_service web|relay|consumer|scheduler|migrate`, and the operator's `verify`."""

from pathlib import Path

from chassis.cli import main
from chassis.service import Service

main(
    Service(
        name="analytics",
        load_settings="analytics_service.config:load",
        app="analytics_service.app:create_app",
        handlers="analytics_service.handlers:HANDLERS",
        migrations=Path(__file__).parent / "migrations",
        commands="analytics_service.cli:COMMANDS",
        forget="analytics_service.commands:forget_everything",
    )
)
