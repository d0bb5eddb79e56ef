"""How a demonstration is shown: what happens line by line, and below it how far it has come."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class Stage:
    """A progress bar that lines are printed above."""

    def __init__(self, steps: int) -> None:
        """Take how many steps there are."""
        self._console = Console(highlight=False)
        columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
        self._progress = Progress(*columns, console=self._console)
        self._task = self._progress.add_task("", total=steps)

    def __enter__(self) -> Self:
        """Raise the curtain."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let it fall."""
        self._progress.stop()

    def show(self, doing: str) -> None:
        """Say beside the bar what is done now."""
        self._progress.update(self._task, description=doing)

    def step(self) -> None:
        """One step is done."""
        self._progress.advance(self._task)

    def tell(self, line: str) -> None:
        """Print a line that stays."""
        self._console.print(line, markup=False, soft_wrap=True)
