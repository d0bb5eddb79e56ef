"""Days in addresses: `/days/<day:day>`."""

from datetime import date

from flask import Blueprint
from flask.sansio.blueprints import BlueprintSetupState
from werkzeug.routing import BaseConverter, ValidationError

from chassis.input.days import read_day


class DayConverter(BaseConverter):
    """`2026-11-21`; whatever else is no address of ours."""

    regex = r"\d{4}-\d{2}-\d{2}"

    def to_python(self, value: str) -> date:
        """Read the day from the address."""
        try:
            return read_day(value)
        except ValueError as error:
            raise ValidationError(str(error)) from error

    def to_url(self, value: date) -> str:
        """Write the day into an address."""
        return value.isoformat()


def use_days(blueprint: Blueprint) -> None:
    """Let the blueprint's routes have days in them; called before the first of them."""

    def add(state: BlueprintSetupState) -> None:
        state.app.url_map.converters["day"] = DayConverter

    blueprint.record(add)
