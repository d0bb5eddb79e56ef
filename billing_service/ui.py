"""The pages of billing."""

from flask import Blueprint

pages = Blueprint("billing", __name__, template_folder="templates")
