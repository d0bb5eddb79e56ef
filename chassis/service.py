"""What a service is made of, by name: each of its processes imports only what it needs."""

from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chassis.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Service:
    """Names are dotted, as in `tracker_service.app:create_app`; empty for what the service does without."""

    #: The short name, as in `tracker`.
    name: str
    #: Reads the settings from the environment.
    load_settings: str
    #: Makes the web application of the settings.
    app: str
    #: The HandlerTable; empty for a service that hears of nothing: it has no consumer then.
    handlers: str = ""
    #: Adds the service's own jobs to a JobScheduler: `add_jobs(scheduler, settings, database)`.
    jobs: str = ""
    #: The folder of its alembic migrations.
    migrations: Path
    #: Empties the tables of a service that can be rebuilt: all in them follows from events, and it publishes none.
    forget: str = ""
    #: What an operator has it do besides: a sequence of OperatorCommand.
    commands: str = ""

    def settings(self) -> "Settings":
        """Return what the environment says. Raises SettingsError."""
        settings: Settings = named(self.load_settings)()
        return settings


def named(name: str) -> Any:
    """Return what has this dotted name, imported just now if nobody has done so before."""
    return resolve_name(name)
