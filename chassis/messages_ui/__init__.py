"""The pages under /messages, the same in every service, for administrators: the outbox and the dead letters."""

from chassis.messages_ui import groups, letter
from chassis.messages_ui.parts import messages_pages
from chassis.messages_ui.words import reason_name

__all__ = ["groups", "letter", "messages_pages", "reason_name"]
