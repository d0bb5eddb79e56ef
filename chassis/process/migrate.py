"""The program that brings the database of a service up to date, as its owner."""

from chassis.migrate import migrate
from chassis.service import Service


def run(service: Service) -> None:
    """Migrate."""
    migrate(service.name, service.migrations)
