"""The command line of a service: `python -m tracker_service web|relay|consumer|scheduler|migrate`, and more.

What a word needs is imported when it is said. A relay without the ORM and without Flask takes a third of the memory of
one with both, and a fifth of the time to start.
"""

import os
import sys
from collections.abc import Mapping
from types import MappingProxyType

import click

from chassis.files import keep_files_private
from chassis.secret_files import read_secret_files
from chassis.service import Service, named

#: The processes, each a module of `chassis.process`, in words for `--help`.
PROCESSES: Mapping[str, str] = MappingProxyType(
    {
        "web": "Serve the pages and REST. Where there is no consumer: do what is due by the clock, too.",
        "relay": "Send what is pending in the outbox.",
        "consumer": "Handle the events that come, and do what is due by the clock.",
        "scheduler": "Only do what is due by the clock.",
        "migrate": "Bring the database up to date, as its owner.",
    }
)


def main(service: Service) -> None:
    """Run one process of the service until SIGTERM or SIGINT, or one of its commands; the command line says which."""
    keep_files_private()
    read_secret_files()
    # structlog imports rich where it is installed, for colours in a terminal: 5 MB in a process that writes JSON.
    sys.modules["rich"] = None  # type: ignore[assignment]
    _CommandLine(service)()


class _CommandLine(click.Group):
    def __init__(self, service: Service) -> None:
        super().__init__(help=f"Run a process of {service.name}, or have {service.name} do something.")
        self._service = service
        for name, words in PROCESSES.items():
            self.add_command(_process(service, name, words))

    def list_commands(self, ctx: click.Context) -> list[str]:
        """See click."""
        self._add_operators_commands()
        return super().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """See click."""
        if cmd_name not in self.commands:
            self._add_operators_commands()
        return super().get_command(ctx, cmd_name)

    def _add_operators_commands(self) -> None:
        if self._service.handlers:
            from chassis.replaying import replay_command

            self.add_command(replay_command(self._service))
        for command in named(self._service.commands) if self._service.commands else ():
            self.add_command(command)


def _process(service: Service, name: str, words: str) -> click.Command:
    @click.command(name, help=words)
    def command() -> None:
        from chassis.observe.logs import configure_logging
        from chassis.settings import SettingsError

        try:
            configure_logging(service.name, name, os.environ.get("ATES_LOG_LEVEL") or "INFO")
            named(f"chassis.process.{name}:run")(service)
        except SettingsError as error:
            raise click.ClickException(str(error)) from error

    return command
