"""`python -m tracker_service web|relay|consumer|scheduler|migrate`."""

from pathlib import Path

from chassis.cli import main
from chassis.service import Service

main(
    Service(
        name="tracker",
        load_settings="tracker_service.config:load",
        app="tracker_service.app:create_app",
        handlers="tracker_service.handlers:HANDLERS",
        jobs="tracker_service.jobs:add_jobs",
        migrations=Path(__file__).parent / "migrations",
    )
)
