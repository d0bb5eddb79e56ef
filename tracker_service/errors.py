"""Everything that the tracker refuses."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from chassis.errors import N_ as N_  # the rules in domain/ mark their texts with it, too
from chassis.errors import Conflict, Forbidden, Invalid, NotFound, PreconditionFailed
from chassis.errors import KeyUsedOtherwise as KeyUsedOtherwise
from chassis.input.text import isolated


class TaskNotFound(NotFound):
    """No task has this id."""

    def __init__(self) -> None:
        super().__init__(N_("There is no such task."))


class ReassignmentNotFound(NotFound):
    """No reassignment has this id."""

    def __init__(self) -> None:
        super().__init__(N_("There is no such reassignment."))


class NotYoursToComplete(Forbidden):
    """Only the assignee of the moment marks a task done, whatever their role."""

    def __init__(self) -> None:
        super().__init__(N_("This task is somebody else's: only its assignee can complete it."))


class TaskReassigned(Conflict):
    """The person had the task, but a reassignment has given it to somebody else."""

    def __init__(self, title: str, assignee_id: UUID, name: str) -> None:
        """Take the task's title, and who has it now."""
        text = N_("“%(title)s” was reassigned: %(name)s has it now.")
        whose = {"assignee": {"id": str(assignee_id), "name": name}}
        super().__init__(text, extensions=whose, title=isolated(title), name=isolated(name))


class NotYoursToEdit(Forbidden):
    """A task is edited by its assignee, who created it, managers and administrators."""

    def __init__(self) -> None:
        super().__init__(N_("Only its assignee, its author, managers and administrators can change a task."))


class NotYoursToList(Forbidden):
    """Everyone lists their own tasks."""

    def __init__(self) -> None:
        super().__init__(N_("Only managers and administrators see other parrots' tasks."))


class ContradictoryScope(Invalid):
    """A filter asks for what its scope never has."""

    def __init__(self, field: str, message: str) -> None:
        """Take the filter, and what is wrong with it."""
        super().__init__(message, errors={field: [message]})


class TooManyNamesakes(Invalid):
    """A filter means more people than a list is looked up for."""

    def __init__(self, field: str) -> None:
        """Take the filter."""
        message = N_("Too many parrots have this in their name. Write more of it.")
        super().__init__(message, errors={field: [message]})


class NotYoursToReassign(Forbidden):
    """The button is for managers and administrators, and so is its progress."""

    def __init__(self) -> None:
        super().__init__(N_("Only managers and administrators can reassign tasks."))


class TaskIsDone(Conflict):
    """A task is completed once."""

    def __init__(self) -> None:
        super().__init__(N_("This task is completed already."))


class TaskChanged(PreconditionFailed):
    """The task is not any more as the person has seen it who wants to change it."""

    def __init__(self) -> None:
        super().__init__(N_("Somebody has changed this task since: look at it again."))


class NobodyToAssign(Conflict):
    """Every task has an assignee, so there is no task without somebody to assign."""

    def __init__(self) -> None:
        super().__init__(N_("Nobody can be assigned a task at the moment."))


class InvalidTask(Invalid):
    """A title, a Jira key or a description breaks a rule."""

    def __init__(self, errors: Mapping[str, Sequence[str]]) -> None:
        """Take what is wrong, by field."""
        super().__init__(N_("The task cannot be saved like this."), errors=errors)
