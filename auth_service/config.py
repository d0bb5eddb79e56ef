"""Auth's settings: those that every service has, and where the demo parrots are."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from chassis.settings import Settings, load_settings


@dataclass(frozen=True, kw_only=True)
class AuthSettings(Settings):
    """The settings of auth."""

    @property
    def beaks_dir(self) -> Path:
        """Where the photos of the demo parrots lie."""
        return self.state_dir / "beaks"

    def beak(self, key: str) -> Path:
        """The photo of the demo parrot of this key."""
        return self.beaks_dir / f"{key}.png"

    def small_beak(self, key: str) -> Path:
        """The small picture made of it, for the sign-in page."""
        return self.beaks_dir / f"{key}.webp"


def load(env: Mapping[str, str] = os.environ) -> AuthSettings:
    """Read them from the environment. Raises SettingsError."""
    common = load_settings("auth", env)
    return AuthSettings(**{field.name: getattr(common, field.name) for field in fields(common)})
