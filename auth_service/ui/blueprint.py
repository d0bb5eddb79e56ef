"""The blueprint that the pages of auth register themselves with."""

from flask import Blueprint

pages = Blueprint(
    "auth", "auth_service", template_folder="templates", static_folder="static", static_url_path="/static/auth"
)
