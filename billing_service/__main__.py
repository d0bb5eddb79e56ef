"""`python -m billing_service web|relay|consumer|scheduler|migrate`, and the operator's `verify` and `close-day`."""

from pathlib import Path

from chassis.cli import main
from chassis.service import Service

main(
    Service(
        name="billing",
        load_settings="billing_service.config:load",
        app="billing_service.app:create_app",
        handlers="billing_service.handlers:HANDLERS",
        jobs="billing_service.jobs:add_jobs",
        migrations=Path(__file__).parent / "migrations",
        commands="billing_service.cli:COMMANDS",
    )
)
