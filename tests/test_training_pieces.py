"""The checkpoint of an open training in pieces that travel. Needs torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]

from training_samples import SMALLEST, crop_loop, stage  # noqa: E402

from texcodec.training.core.checkpoints import read_checkpoint  # noqa: E402
from texcodec.training.core.settings_json import to_json  # noqa: E402
from texcodec.training.pictures.pieces import WHOLE, find_checkpoint, keep_checkpoint  # noqa: E402
from texcodec.training.pictures.portable import portable_bytes, portable_steps  # noqa: E402

LIMIT = 100_000


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    context = {"architecture": to_json(SMALLEST), "thresholds": [8.0, 18.0]}
    loop = crop_loop(tmp_path_factory.mktemp("loop"), stage(3), context=context)
    loop.run()
    return read_checkpoint(loop.checkpoint)


def later(state: dict[str, Any]) -> dict[str, Any]:
    return {**state, "steps": state["steps"] + 7}


def test_pieces_are_small_and_give_the_checkpoint_again(state: dict[str, Any], tmp_path: Path) -> None:
    keep_checkpoint(tmp_path, state, LIMIT)
    pieces = sorted(tmp_path.iterdir())
    assert len(pieces) > 2
    assert max(p.stat().st_size for p in pieces) <= LIMIT
    joined = b"".join(p.read_bytes() for p in pieces)
    assert len(joined) == len(portable_bytes(state, tmp_path))
    (tmp_path / "joined").write_bytes(joined)
    assert portable_steps(tmp_path / "joined") == 3
    found = find_checkpoint(tmp_path)
    assert found is not None
    assert (found.steps, list(found.files)) == (3, pieces)
    for key, value in found.read()["average"].items():
        assert torch.equal(value, state["average"][key])


def test_checkpoint_is_one_file_unless_pieces_are_asked_for(state: dict[str, Any], tmp_path: Path) -> None:
    keep_checkpoint(tmp_path, state, LIMIT)
    keep_checkpoint(tmp_path, later(state))
    assert [p.name for p in tmp_path.iterdir()] == [WHOLE]
    found = find_checkpoint(tmp_path)
    assert found is not None
    assert found.steps == found.read()["steps"] == 10
    keep_checkpoint(tmp_path, later(later(state)), LIMIT)
    assert WHOLE not in [p.name for p in tmp_path.iterdir()]


def test_an_interrupted_checkpoint_leaves_the_one_before(state: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    keep_checkpoint(tmp_path / "a", state, LIMIT)
    keep_checkpoint(tmp_path / "b", later(state), LIMIT)
    new = sorted((tmp_path / "b").iterdir())
    for piece in new[:-1]:
        piece.rename(tmp_path / "a" / piece.name)
    found = find_checkpoint(tmp_path / "a")
    assert found is not None
    assert found.read()["steps"] == found.steps == 3
    new[-1].rename(tmp_path / "a" / new[-1].name)
    found = find_checkpoint(tmp_path / "a")
    assert found is not None
    assert found.steps == 10
    keep_checkpoint(tmp_path / "a", later(later(state)), LIMIT)
    assert {p.name.split("-")[1] for p in (tmp_path / "a").iterdir()} == {"00000017"}


def test_pieces_of_a_damaged_checkpoint_are_named(state: dict[str, Any], tmp_path: Path) -> None:
    assert find_checkpoint(tmp_path) is None
    keep_checkpoint(tmp_path, state, LIMIT)
    first, *_ = sorted(tmp_path.iterdir())
    first.write_bytes(first.read_bytes()[:-1])
    found = find_checkpoint(tmp_path)
    assert found is not None
    with pytest.raises(ValueError, match=r"checkpoint-00000003-1of\d+\.part is damaged"):
        found.read()
