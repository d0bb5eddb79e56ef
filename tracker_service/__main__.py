"""`python -m tracker_service web|relay|consumer|scheduler|migrate`."""

from pathlib import Path

from chassis.cli import Service, main
from tracker_service import config
from tracker_service.handlers import HANDLERS
from tracker_service.jobs import add_jobs

main(
    Service(
        name="tracker",
        load_settings=config.load,
        app="tracker_service.app:create_app",
        handlers=HANDLERS,
        jobs=add_jobs,
        migrations=Path(__file__).parent / "migrations",
    )
)
