"""The audit of who came and went."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from auth_service.models import RefusedSignIn, SignIn
from chassis.paging import Order, Page, PageRequest, fetch_page


def sign_ins(session: Session, *, page: PageRequest, user_id: UUID | None = None) -> Page[SignIn]:
    """Sign-ins of one user, or of everybody, latest first, with their users."""
    statement = select(SignIn).options(joinedload(SignIn.user, innerjoin=True))
    if user_id is not None:
        statement = statement.where(SignIn.user_id == user_id)
    return fetch_page(session, statement, Order((SignIn.signed_in_at, SignIn.id), descending=True), page)


def refused_sign_ins(session: Session, *, page: PageRequest) -> Page[RefusedSignIn]:
    """The refused sign-ins with their reasons, latest first, and the user of each if a beak was recognised."""
    statement = select(RefusedSignIn).options(joinedload(RefusedSignIn.user))
    return fetch_page(session, statement, Order((RefusedSignIn.refused_at, RefusedSignIn.id), descending=True), page)
