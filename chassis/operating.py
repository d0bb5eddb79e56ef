"""What an operator has a service do besides running it: `python -m billing_service verify`."""

import logging
import sys
from typing import Any

import click
import structlog

from chassis.database_errors import DATABASE_ERRORS, refusal_of_database
from chassis.errors import ServiceError
from chassis.settings import SettingsError


class OperatorCommand(click.Command):
    """A command that prints its answer and nothing else to stdout.

    When it is refused, or has no settings or no database to work with, it says so in words and exits with 1.
    """

    def invoke(self, context: click.Context) -> Any:
        """Run it."""
        structlog.configure(
            wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
            logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        )
        try:
            return super().invoke(context)
        except ServiceError as error:
            raise click.ClickException(_explain(error)) from error
        except SettingsError as error:
            raise click.ClickException(str(error)) from error
        except DATABASE_ERRORS as error:
            refusal = refusal_of_database(error)
            if refusal is None:
                raise
            raise click.ClickException(f"{refusal} ({getattr(error, 'orig', error)})") from error


def _explain(error: ServiceError) -> str:
    told = str(error)
    fields = [f"{where}: {' '.join(texts)}" for where, texts in (error.errors or {}).items() if texts != [told]]
    return "\n".join([told, *fields])
