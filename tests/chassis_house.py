"""The smallest service there is: `python -m tests.chassis_house web|relay|consumer|scheduler|migrate`."""

from pathlib import Path

from chassis.cli import Service, main
from chassis.settings import load_settings
from tests.chassis_parts import People, demo_app

if __name__ == "__main__":
    main(
        Service(
            name="tracker",
            load_settings=lambda: load_settings("tracker"),
            create_app=lambda settings: demo_app(settings, People()),
            handlers={"auth.user_registered": lambda _session, _event: None},
            migrations=Path("nowhere"),
        )
    )
