"""What a user may be called and reached by."""

import re
from dataclasses import dataclass

from auth_service.errors import N_, InvalidUser
from chassis.input.text import is_line, is_visible, tidy

NAME_LENGTH = 200
EMAIL_LENGTH = 320
EXTERNAL_ID_LENGTH = 200
ROLES = ("popug", "boss", "accountant", "manager", "admin")

#: What browsers take for an e-mail address, with at least one dot in the domain
#: (https://html.spec.whatwg.org/multipage/input.html#valid-e-mail-address).
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_EMAIL = re.compile(rf"[a-zA-Z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{_LABEL}(?:\.{_LABEL})+")


@dataclass(frozen=True)
class Person:
    """Name, e-mail and role of a user, tidied and allowed."""

    name: str
    email: str
    role: str


def person(name: str, email: str, role: str) -> Person:
    """Tidy what was typed or imported; raise InvalidUser with every fault found, by field."""
    found = Person(tidy(name), email.strip(), role)
    faults = {"name": _name_faults(found.name), "email": _email_faults(found.email), "role": _role_faults(role)}
    errors = {field: texts for field, texts in faults.items() if texts}
    if errors:
        raise InvalidUser(errors)
    return found


def is_external_id(text: str) -> bool:
    """Tell whether users may be imported under this id."""
    return len(text) <= EXTERNAL_ID_LENGTH and text == tidy(text) and is_line(text) and is_visible(text)


def _name_faults(name: str) -> list[str]:
    if not is_visible(name):
        return [N_("A user needs a name.")]
    faults = []
    if len(name) > NAME_LENGTH:
        faults.append(N_("The name is longer than 200 characters."))
    if not is_line(name):
        faults.append(N_("The name must be one line of text."))
    return faults


def _email_faults(email: str) -> list[str]:
    if len(email) > EMAIL_LENGTH or _EMAIL.fullmatch(email) is None:
        return [N_("Not a valid email address.")]
    return []


def _role_faults(role: str) -> list[str]:
    return [] if role in ROLES else [N_("There is no such role.")]
