"""Who sees what: everyone their own, accountants and administrators everything."""

from uuid import UUID

#: The roles that see everybody's accounts and the management's income.
SEE_ALL = frozenset({"accountant", "admin"})


def may_see_account(owner_id: UUID, *, viewer_id: UUID, role: str) -> bool:
    """Tell whether somebody may see an account, its log and its payouts."""
    return owner_id == viewer_id or role in SEE_ALL


def may_see_all(role: str) -> bool:
    """Tell whether somebody may see everybody's accounts, days and the management's income."""
    return role in SEE_ALL
