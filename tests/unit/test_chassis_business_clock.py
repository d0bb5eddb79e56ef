"""The calendar's day of the business."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from chassis.business_clock import day_of

MOSCOW = ZoneInfo("Europe/Moscow")


def test_a_day_begins_at_midnight_of_the_business_time_zone() -> None:
    assert day_of(datetime(2026, 11, 21, 20, 59, 59, tzinfo=UTC), MOSCOW) == date(2026, 11, 21)
    assert day_of(datetime(2026, 11, 21, 21, 0, 0, tzinfo=UTC), MOSCOW) == date(2026, 11, 22)
