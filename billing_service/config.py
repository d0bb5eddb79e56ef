"""Billing's settings: those that every service has, and the way for letters."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from urllib.parse import urlsplit

from chassis.settings import Settings, SettingsError, load_settings


@dataclass(frozen=True, kw_only=True)
class BillingSettings(Settings):
    """What billing is told by its environment."""

    #: The mail server, `smtp://` or `smtps://`; None: letters are kept as files.
    smtp_url: str | None
    #: Who letters are from.
    mail_from: str

    @property
    def letters_dir(self) -> Path:
        """Return the folder for letters that no mail server takes."""
        return self.state_dir / "letters"


def load(env: Mapping[str, str] = os.environ) -> BillingSettings:
    """Read them from the environment. Raises SettingsError."""
    common = load_settings("billing", env)
    smtp_url = env.get("SMTP_URL") or None
    if smtp_url is not None and urlsplit(smtp_url).scheme not in ("smtp", "smtps"):
        raise SettingsError("billing cannot start: SMTP_URL does not start with smtp:// or smtps://")
    return BillingSettings(
        **{field.name: getattr(common, field.name) for field in fields(Settings)},
        smtp_url=smtp_url,
        mail_from=env.get("MAIL_FROM") or "UberPopug Accounting <accounting@uberpopug.example>",
    )
