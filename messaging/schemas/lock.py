"""Published schemas are frozen: a lock file keeps the hash of each, `sha256  producer/event/version.json`.

The hash is that of the canonical JSON (sorted keys, no white space, UTF-8), so indentation and the order of keys do not
count, and everything else does, words included. `sha256sum` of the file gives another number.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from messaging.errors import SchemaRegistryError
from messaging.schemas.json_schema import Schema
from messaging.schemas.registry import SchemaRegistry

LOCK_NAME = "schemas.lock"

_HEAD = """\
# Published event schemas and the sha256 of their canonical JSON (formatting does not count). A line here never changes:
# whoever needs another schema publishes the next version beside it.
"""


def fingerprint(schema: Schema) -> str:
    """Return the sha256 of the schema's canonical JSON."""
    canonical = json.dumps(schema, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def read_lock(folder: Path) -> dict[str, str]:
    """Return path -> hash of every published schema; nothing if there is no lock yet. Raises SchemaRegistryError."""
    path = folder / LOCK_NAME
    locked: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines() if path.exists() else (), start=1):
        if line.startswith("#"):
            continue
        digest, gap, name = line.partition("  ")
        if not gap or len(digest) != 64 or name in locked:
            raise SchemaRegistryError(
                f"{path}, line {number}: not `sha256  producer/event/version.json`, or not the first"
            )
        locked[name] = digest
    return locked


def unpublished(folder: Path) -> list[str]:
    """Return the paths of schemas that are not locked yet. Raises SchemaRegistryError if a locked one
    is not as it was."""
    locked, found = read_lock(folder), _found(folder)
    changed = [path for path, digest in locked.items() if path in found and found[path] != digest]
    gone = [path for path in locked if path not in found]
    if changed:
        raise SchemaRegistryError(
            f"published and changed since: {', '.join(changed)}. Put it back and add the next version"
        )
    if gone:
        raise SchemaRegistryError(
            f"published and gone: {', '.join(gone)}. To retire a version for good, take its line out of {LOCK_NAME} "
            "by hand, once no outbox, queue or dead letter has an event of it"
        )
    return sorted(found.keys() - locked.keys())


def lock(folder: Path) -> list[str]:
    """Lock the schemas that are not locked yet and return their paths.

    Raises SchemaRegistryError if a locked one is not as it was, and then writes nothing.
    """
    added = unpublished(folder)
    _write(folder, _found(folder))
    return added


def _found(folder: Path) -> dict[str, str]:
    schemas = SchemaRegistry.load(folder).schemas
    return {
        f"{name.replace('.', '/')}/{version}.json": fingerprint(schema)
        for name, versions in schemas.items()
        for version, schema in versions.items()
    }


def _write(folder: Path, digests: Mapping[str, str]) -> None:
    lines = "".join(f"{digests[path]}  {path}\n" for path in sorted(digests))
    (folder / LOCK_NAME).write_text(_HEAD + lines, encoding="utf-8")
