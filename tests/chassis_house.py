"""The smallest service there is: `python -m tests.chassis_house web|relay|consumer|scheduler|migrate`."""

from pathlib import Path

from flask import Flask

from chassis.cli import Service, main
from chassis.settings import Settings, load_settings


def create_app(settings: Settings) -> Flask:
    from tests.chassis_parts import People, demo_app

    return demo_app(settings, People())


if __name__ == "__main__":
    main(
        Service(
            name="tracker",
            load_settings=lambda: load_settings("tracker"),
            app="tests.chassis_house:create_app",
            handlers={"auth.user_registered": lambda _session, _event: None},
            migrations=Path("nowhere"),
        )
    )
