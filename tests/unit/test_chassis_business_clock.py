"""The calendar's day of the business, and the business day that it is."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from chassis.business_clock import day_of, present_day

MOSCOW = ZoneInfo("Europe/Moscow")


def test_a_day_begins_at_midnight_of_the_business_time_zone() -> None:
    assert day_of(datetime(2026, 11, 21, 20, 59, 59, tzinfo=UTC), MOSCOW) == date(2026, 11, 21)
    assert day_of(datetime(2026, 11, 21, 21, 0, 0, tzinfo=UTC), MOSCOW) == date(2026, 11, 22)


def test_today_is_the_calendars_day_or_the_one_after_a_day_that_was_closed_early() -> None:
    today = date(2026, 11, 21)
    assert present_day(today, None) == today
    assert present_day(today, today - timedelta(days=3)) == today
    assert present_day(today, today - timedelta(days=1)) == today
    assert present_day(today, today) == today + timedelta(days=1)
