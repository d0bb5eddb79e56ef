"""`python -m analytics_service web|relay|consumer|scheduler|migrate`, and the operator's `verify`."""

from pathlib import Path

from analytics_service import commands, config
from analytics_service.cli import COMMANDS
from analytics_service.handlers import HANDLERS
from chassis.cli import Service, main

main(
    Service(
        name="analytics",
        load_settings=config.load,
        app="analytics_service.app:create_app",
        handlers=HANDLERS,
        migrations=Path(__file__).parent / "migrations",
        commands=COMMANDS,
        forget=commands.forget_everything,
    )
)
