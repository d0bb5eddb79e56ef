"""What people are charged, paid and corrected by."""

from uuid import UUID, uuid4, uuid5

from sqlalchemy import text
from sqlalchemy.orm import Session

from billing_service.commands.books import Books
from billing_service.commands.opening import open_account_at_first_sight
from billing_service.commands.posting import Posted, post, publish_movement
from billing_service.domain import ledger
from billing_service.domain.ledger import Transaction
from billing_service.domain.pricing import Prices
from billing_service.errors import N_, AccountNotFound, InvalidCorrection, KeyUsedOtherwise, PostedOtherwise
from chassis.input.amounts import is_amount
from chassis.input.text import is_text, is_visible, tidy

NOTE_LENGTH = 500

#: The transaction of a correction is named after its Idempotency-Key, so that a repeated request finds it.
_CORRECTIONS = UUID("6f2f6d2e-7a39-4b5e-9d0b-0c0ffee0ba4c")

#: The movement that was posted under a key before.
_TWIN = """
    SELECT account.user_id, entry.amount_cents, twin.note FROM ledger_transactions twin
    JOIN ledger_entries entry ON entry.transaction_id = twin.id
    JOIN accounts account ON account.id = entry.account_id AND account.kind = 'employee'
    WHERE
"""
_TWIN_OF_FEE = text(f"{_TWIN} twin.kind = 'fee' AND twin.task_id = :task_id AND twin.assignment_no = :assignment_no")
_TWIN_OF_REWARD = text(f"{_TWIN} twin.kind = 'reward' AND twin.task_id = :task_id")
_TWIN_OF_CORRECTION = text(f"{_TWIN} twin.id = :id")


def charge_fee(
    session: Session,
    books: Books,
    prices: Prices,
    *,
    task_id: UUID,
    assignment_no: int,
    assignee_id: UUID,
    cause_event_id: UUID,
) -> None:
    """Charge the assignee for an assignment; once, however often this is asked for. Raises PostedOtherwise."""
    _post_for_task(
        session,
        books,
        ledger.fee(prices.fee_cents),
        user_id=assignee_id,
        task_id=task_id,
        assignment_no=assignment_no,
        cause_event_id=cause_event_id,
    )


def pay_reward(
    session: Session, books: Books, prices: Prices, *, task_id: UUID, assignee_id: UUID, cause_event_id: UUID
) -> None:
    """Pay for the completion of a task; once, however often this is asked for. Raises PostedOtherwise."""
    _post_for_task(
        session,
        books,
        ledger.reward(prices.reward_cents),
        user_id=assignee_id,
        task_id=task_id,
        cause_event_id=cause_event_id,
    )


def post_correction(
    session: Session, books: Books, *, user_id: UUID, amount_cents: int, note: str, by: UUID, key: str | None = None
) -> UUID:
    """Correct an employee's balance by a new movement, positive in their favour; return its id.

    Money already paid out or charged stays in the log as it is. The same `key` of the same person posts once.
    Raises AccountNotFound, InvalidCorrection, KeyUsedOtherwise.
    """
    note = tidy(note)
    errors = {}
    if amount_cents == 0:
        errors["amount_cents"] = [N_("A correction of nothing corrects nothing.")]
    elif not is_amount(amount_cents):
        errors["amount_cents"] = [N_("Nobody moves more than $1,000,000 at once.")]
    if len(note) > NOTE_LENGTH or not is_text(note) or not is_visible(note):
        errors["note"] = [N_("Say why, in up to 500 characters.")]
    if errors:
        raise InvalidCorrection(errors)
    transaction_id = uuid4() if key is None else uuid5(_CORRECTIONS, f"{by}/{key}")
    correction = ledger.correction(amount_cents)
    posted = post(session, books, correction, user_id=user_id, transaction_id=transaction_id, note=note, made_by=by)
    if posted is None:
        _check_correction(session, transaction_id, user_id, amount_cents, note)
    else:
        publish_movement(session, books, posted)
    return transaction_id


def _post_for_task(
    session: Session,
    books: Books,
    transaction: Transaction,
    *,
    user_id: UUID,
    task_id: UUID,
    assignment_no: int | None = None,
    cause_event_id: UUID,
) -> None:
    def once() -> Posted | None:
        return post(
            session,
            books,
            transaction,
            user_id=user_id,
            task_id=task_id,
            assignment_no=assignment_no,
            cause_event_id=cause_event_id,
        )

    posted = once()
    if posted is None and open_account_at_first_sight(session, books, user_id):
        posted = once()
    if posted is None:
        _check_copy(session, transaction, user_id, task_id, assignment_no)
    else:
        publish_movement(session, books, posted, task_id=task_id, cause_event_id=cause_event_id)


def _check_copy(
    session: Session, transaction: Transaction, user_id: UUID, task_id: UUID, assignment_no: int | None
) -> None:
    """Raise PostedOtherwise unless the movement that was posted before is the same."""
    key = {"task_id": task_id, "assignment_no": assignment_no}
    twin = session.execute(_TWIN_OF_FEE if assignment_no is not None else _TWIN_OF_REWARD, key).one()
    posted, asked = (twin.user_id, twin.amount_cents), (user_id, transaction.employee.amount_cents)
    if posted != asked:
        which = "" if assignment_no is None else f", assignment {assignment_no},"
        raise PostedOtherwise(f"{transaction.kind} of task {task_id}{which}", posted=posted, asked=asked)


def _check_correction(session: Session, transaction_id: UUID, user_id: UUID, amount_cents: int, note: str) -> None:
    """Raise AccountNotFound if nothing was posted, KeyUsedOtherwise if something else was."""
    twin = session.execute(_TWIN_OF_CORRECTION, {"id": transaction_id}).one_or_none()
    if twin is None:
        raise AccountNotFound
    if (twin.user_id, twin.amount_cents, twin.note) != (user_id, amount_cents, note):
        raise KeyUsedOtherwise
