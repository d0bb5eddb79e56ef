"""The tracker's settings: those that every service has."""

from chassis.settings import Settings, load_settings


def load() -> Settings:
    """Read them from the environment. Raises SettingsError."""
    return load_settings("tracker")
