"""`python -m billing_service web|relay|consumer|scheduler|migrate`, and the operator's `verify` and `close-day`."""

from pathlib import Path

from billing_service import config
from billing_service.cli import COMMANDS
from billing_service.handlers import HANDLERS
from billing_service.jobs import add_jobs
from chassis.cli import Service, main

main(
    Service(
        name="billing",
        load_settings=config.load,
        app="billing_service.app:create_app",
        handlers=HANDLERS,
        jobs=add_jobs,
        migrations=Path(__file__).parent / "migrations",
        commands=COMMANDS,
    )
)
