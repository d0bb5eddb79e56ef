"""What a task may be called and described with."""

from dataclasses import dataclass

from chassis.input.text import is_line, is_text, is_visible, tidy
from tracker_service.errors import N_, InvalidTask

TITLE_LENGTH = 200
JIRA_ID_LENGTH = 64
DESCRIPTION_LENGTH = 10_000

TITLE_MISSING = N_("A task needs a title.")
TITLE_TOO_LONG = N_("The title is longer than 200 characters.")
TITLE_HAS_BRACKETS = N_("The title may not contain [ or ].")
TITLE_NOT_ONE_LINE = N_("The title must be one line of text.")
JIRA_ID_BELONGS_HERE = N_("A Jira key belongs here, not in the title.")
JIRA_ID_TOO_LONG = N_("The Jira key is longer than 64 characters.")
JIRA_ID_NOT_ONE_LINE = N_("The Jira key must be one line of text.")
DESCRIPTION_TOO_LONG = N_("The description is longer than 10000 characters.")
DESCRIPTION_NOT_TEXT = N_("The description contains characters that are not text.")


@dataclass(frozen=True)
class TaskText:
    """A task's words, tidied and allowed. `jira_id` is None where there is no key."""

    title: str
    jira_id: str | None
    description: str


def task_text(title: str, jira_id: str | None = None, description: str = "") -> TaskText:
    """Tidy what a person typed; raise InvalidTask with every fault found, by field.

    A bracket in a title was once the way to write a Jira key ("[POPUG-12] Fly"); it has its own field now, and
    version 2 of `tracker.task_created` promises titles without brackets.
    """
    jira_id = tidy(jira_id or "")
    text = TaskText(
        title=tidy(title),
        jira_id=jira_id if is_visible(jira_id) else None,
        description=tidy(description.replace("\r\n", "\n")),
    )
    faults = {
        "title": _title_faults(text.title),
        "jira_id": _jira_id_faults(text.jira_id, title=text.title),
        "description": _description_faults(text.description),
    }
    errors = {field: messages for field, messages in faults.items() if messages}
    if errors:
        raise InvalidTask(errors)
    return text


def _title_faults(title: str) -> list[str]:
    if not is_visible(title):
        return [TITLE_MISSING]
    faults = []
    if len(title) > TITLE_LENGTH:
        faults.append(TITLE_TOO_LONG)
    if _has_brackets(title):
        faults.append(TITLE_HAS_BRACKETS)
    if not is_line(title):
        faults.append(TITLE_NOT_ONE_LINE)
    return faults


def _has_brackets(title: str) -> bool:
    return "[" in title or "]" in title


def _jira_id_faults(jira_id: str | None, *, title: str) -> list[str]:
    if jira_id is None:
        return [JIRA_ID_BELONGS_HERE] if _has_brackets(title) else []
    faults = []
    if len(jira_id) > JIRA_ID_LENGTH:
        faults.append(JIRA_ID_TOO_LONG)
    if not is_line(jira_id):
        faults.append(JIRA_ID_NOT_ONE_LINE)
    return faults


def _description_faults(description: str) -> list[str]:
    faults = []
    if len(description) > DESCRIPTION_LENGTH:
        faults.append(DESCRIPTION_TOO_LONG)
    if not is_text(description):
        faults.append(DESCRIPTION_NOT_TEXT)
    return faults
