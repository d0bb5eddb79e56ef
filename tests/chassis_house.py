"""The smallest service there is: `python -m tests.chassis_house web|relay|consumer|scheduler|migrate`."""

from pathlib import Path

from flask import Flask

from chassis.cli import main
from chassis.service import Service
from chassis.settings import Settings, load_settings
from messaging import HandlerTable

HANDLERS: HandlerTable = {"auth.user_registered": lambda _session, _event: None}


def load() -> Settings:
    return load_settings("tracker")


def create_app(settings: Settings) -> Flask:
    from tests.chassis_parts import People, demo_app

    return demo_app(settings, People())


if __name__ == "__main__":
    main(
        Service(
            name="tracker",
            load_settings="tests.chassis_house:load",
            app="tests.chassis_house:create_app",
            handlers="tests.chassis_house:HANDLERS",
            migrations=Path("nowhere"),
        )
    )
