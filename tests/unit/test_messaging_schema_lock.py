"""Published schemas are frozen: new versions are locked, changed ones are refused."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from messaging.errors import SchemaRegistryError
from messaging.schemas.lock import LOCK_NAME, fingerprint, lock, read_lock, unpublished

SOLD = "shop/item_sold/1.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    publish(tmp_path, SOLD)
    publish(tmp_path, "shop/item_bought/1.json")
    assert lock(tmp_path) == ["shop/item_bought/1.json", SOLD]
    return tmp_path


def publish(folder: Path, name: str, **schema: Any) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"type": "object", "properties": {"é": {}, "a": {}}, **schema}), encoding="utf-8")


def test_a_line_is_the_hash_of_the_canonical_json_and_the_path(folder: Path) -> None:
    lines = (folder / LOCK_NAME).read_text().splitlines()
    digest = hashlib.sha256('{"properties":{"a":{},"é":{}},"type":"object"}'.encode()).hexdigest()
    assert [line for line in lines if not line.startswith("#")] == [
        f"{digest}  shop/item_bought/1.json",
        f"{digest}  shop/item_sold/1.json",
    ]


def test_formatting_and_the_order_of_keys_do_not_count(folder: Path) -> None:
    schema = json.loads((folder / SOLD).read_text())
    turned = dict(reversed(schema.items()))
    (folder / SOLD).write_text(json.dumps(turned, indent=4, ensure_ascii=True))
    assert unpublished(folder) == []


def test_words_count(folder: Path) -> None:
    assert fingerprint({"title": "a"}) != fingerprint({"title": "b"})
    publish(folder, SOLD, title="Something else")
    with pytest.raises(SchemaRegistryError, match=r"published and changed since: shop/item_sold/1\.json\. Put it back"):
        unpublished(folder)


def test_a_new_version_is_added_and_the_old_lines_stay(folder: Path) -> None:
    before = read_lock(folder)
    publish(folder, "shop/item_sold/2.json")
    assert unpublished(folder) == ["shop/item_sold/2.json"]
    assert lock(folder) == ["shop/item_sold/2.json"]
    assert before.items() < read_lock(folder).items()
    assert unpublished(folder) == []


def test_a_changed_version_cannot_be_locked_and_nothing_is_written(folder: Path) -> None:
    before = (folder / LOCK_NAME).read_text()
    publish(folder, SOLD, title="Something else")
    publish(folder, "shop/item_sold/2.json")
    with pytest.raises(SchemaRegistryError, match="add the next version"):
        lock(folder)
    assert (folder / LOCK_NAME).read_text() == before


def test_a_published_version_cannot_go_unnoticed(folder: Path) -> None:
    (folder / SOLD).unlink()
    with pytest.raises(SchemaRegistryError, match="take its line out"):
        lock(folder)


@pytest.mark.parametrize("line", ["nonsense", f"{'0' * 64} {SOLD}", f"{'0' * 63}  {SOLD}"])
def test_a_lock_that_cannot_be_read_is_refused(folder: Path, line: str) -> None:
    with (folder / LOCK_NAME).open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(SchemaRegistryError, match="line 5"):
        read_lock(folder)


def test_a_path_stands_in_the_lock_once(folder: Path) -> None:
    with (folder / LOCK_NAME).open("a") as file:
        file.write(f"{'0' * 64}  {SOLD}\n")
    with pytest.raises(SchemaRegistryError, match="not the first"):
        lock(folder)
