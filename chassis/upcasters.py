"""How events of older versions are lifted where a default in the newer schema cannot say it.

One function per step, shared by all consumers: they must not disagree about what an old event meant.
"""

import re
from typing import Any

from messaging.schemas import UpcasterTable

_JIRA_ID_LENGTH = 64  # what version 2 allows
_KEY_AND_TITLE = re.compile(
    r"\s*\[\s*(?P<key>[A-Za-z]\w*-[0-9]+)\s*\]\s*(?:[-–—:]\s+)?(?P<title>.*)", re.ASCII | re.DOTALL
)
_NO_BRACKETS = str.maketrans("[]", "()")


def task_created_v1(data: dict[str, Any]) -> dict[str, Any]:
    """A Jira key in brackets before the title goes into `jira_id`, other brackets become parentheses.

    In version 1 "[POPUG-1] Feed" was the way to write a key; version 2 promises titles without brackets. Where nothing
    is left of the title, the key stays as the title, too.
    """
    title, jira_id = data["title"], None
    found = _KEY_AND_TITLE.fullmatch(title)
    if found and len(found["key"]) <= _JIRA_ID_LENGTH:
        jira_id = found["key"]
        title = found["title"].strip() or jira_id
    return {**data, "title": title.translate(_NO_BRACKETS), "jira_id": jira_id}


#: The type that is lifted -> how.
UPCASTERS: UpcasterTable = {
    "tracker.task_created.v1": task_created_v1,
}
