"""The code in our documents, so that tests can do what a reader would: a `title` behind the language names a file."""

import re
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(
    r"^```(?P<language>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class CodeBlock:
    """A fenced block."""

    language: str
    #: The file that it is, or is to be changed by it; empty for what is to be typed or only to be looked at.
    title: str
    text: str

    def apply(self, folder: Path) -> Path:
        """Write the file, or change it if this is a diff; return it."""
        path = folder / self.title
        if self.language == "diff":
            path.write_text(changed(path.read_text(encoding="utf-8"), self.text), encoding="utf-8")
        else:
            assert not path.exists(), f"{self.title} is there already"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.text, encoding="utf-8")
        return path


def code_blocks(text: str) -> list[CodeBlock]:
    """Return the blocks of a document that say which language they are in."""
    return [CodeBlock(found["language"], found["title"] or "", found["text"]) for found in _BLOCK.finditer(text)]


def changed(text: str, diff: str) -> str:
    """Return the text with the diff applied: `+` adds, `-` takes away, a space shows where; @@ starts another place.

    A place that shows nothing is the end of the text. Raises AssertionError for one that is not there exactly once.
    """
    for place in re.split(r"^@@\n", diff, flags=re.MULTILINE):
        lines = place.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if line[0] in " -")
        after = "".join(line[1:] for line in lines if line[0] in " +")
        if before:
            assert text.count(before) == 1, f"not there exactly once:\n{before}"
            text = text.replace(before, after)
        else:
            text += after
    return text
