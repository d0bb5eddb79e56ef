"""What each role may do. The services check roles; this table says it in words that people and programs can ask for."""

_EVERYBODY = (
    "tasks.create",
    "tasks.read",
    "accounts.read_own",
    "users.read",
)
_CAN_BE_ASSIGNED = ("tasks.complete_own",)
_OVERSEERS = ("tasks.list_all", "tasks.reassign")
_KEEPS_THE_BOOKS = ("accounts.read_all", "income.read", "days.read")
_RUNS_THE_HOUSE = (
    "analytics.read",
    "days.close",
    "messages.manage",
    "pricing_rules.write",
    "sign_ins.read",
    "users.write",
)

_BY_ROLE: dict[str, tuple[str, ...]] = {
    "popug": _EVERYBODY + _CAN_BE_ASSIGNED,
    "boss": _EVERYBODY + _CAN_BE_ASSIGNED,
    "accountant": _EVERYBODY + _CAN_BE_ASSIGNED + _KEEPS_THE_BOOKS,
    "manager": _EVERYBODY + _OVERSEERS,
    "admin": _EVERYBODY + _OVERSEERS + _KEEPS_THE_BOOKS + _RUNS_THE_HOUSE,
}


def permissions_of(role: str, *, active: bool) -> list[str]:
    """The permissions in alphabetical order. Who is blocked has none."""
    return sorted(_BY_ROLE[role]) if active else []
