"""The pages of auth. They call the same commands as the API."""

from auth_service.ui import demo_parrots, home, operations, people, sign_in, sign_ins, trace
from auth_service.ui.blueprint import PLACES, pages

__all__ = ["PLACES", "demo_parrots", "home", "operations", "pages", "people", "sign_in", "sign_ins", "trace"]
