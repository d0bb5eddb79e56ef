"""The blueprint that the pages of auth register themselves with, and those of them that the bar leads to."""

from flask import Blueprint

from chassis.errors import N_
from chassis.people import Role
from chassis.places import Place

pages = Blueprint(
    "auth", "auth_service", template_folder="templates", static_folder="static", static_url_path="/static/auth"
)

PLACES = (
    Place(
        N_("Users"),
        "auth.list_users",
        (Role.ADMIN,),
        also=("auth.new_user", "auth.create_user", "auth.show_user", "auth.update_user", "auth.enrol_beak"),
    ),
    Place(N_("Sign-ins"), "auth.list_sign_ins", (Role.ADMIN,)),
    Place(N_("Refused sign-ins"), "auth.list_refused_sign_ins", (Role.ADMIN,)),
)
