"""The exception tree as drawn, and limits that are inclusive."""

from __future__ import annotations

import pickle
import re

import pytest

from texcodec import errors
from texcodec.errors import LimitError, ParameterError, TexcodecError
from texcodec.limits import PILLOW_BOMB_PIXELS, Limits


def test_exception_tree_is_as_drawn() -> None:
    line = r"^( +)(\w+Error)(?: \((?:ValueError|TypeError)\))? +(?:exit code )?(\d)"
    drawn = re.findall(line, errors.__doc__ or "", re.M)
    assert {name for _, name, _ in drawn} == set(errors.__all__) - {"TexcodecWarning"}
    path: list[str] = []
    for indent, name, code in drawn:
        depth = len(indent) // 2 - 2
        kind = getattr(errors, name)
        path[depth:] = [name]
        assert kind.exit_code == int(code)
        assert kind.__base__.__name__ == (path[depth - 1] if depth else "Exception")
    assert issubclass(ParameterError, ValueError) and issubclass(ParameterError, TexcodecError)


def test_default_limit_is_pillows() -> None:
    from PIL import Image

    assert Image.MAX_IMAGE_PIXELS is not None
    assert Limits().pixels == PILLOW_BOMB_PIXELS == 2 * Image.MAX_IMAGE_PIXELS


def test_limits_are_inclusive() -> None:
    limits = Limits(pixels=12, side=4, tiles=2, memory=36, metadata=5)
    limits.check_picture(4, 3, 3)
    limits.check_tiles(2)
    limits.check_metadata(5)
    for action in (
        lambda: limits.check_picture(5, 1, 1),
        lambda: limits.check_picture(1, 5, 1),
        lambda: limits.check_picture(4, 4, 1),
        lambda: limits.check_picture(4, 3, 4),
        lambda: limits.check_tiles(3),
        lambda: limits.check_metadata(6),
        lambda: limits.check_memory(37, "a test"),
    ):
        with pytest.raises(LimitError, match=r"\d") as caught:
            action()
        assert "--limit-" in caught.value.advice


@pytest.mark.parametrize("value", [0, -1, 1.5, True, None])
def test_limits_must_be_positive_integers(value: object) -> None:
    with pytest.raises(ParameterError, match="'side'"):
        Limits(side=value)  # type: ignore[arg-type]


def test_advice_is_that_of_the_class_unless_the_fault_has_its_own() -> None:
    assert LimitError("Too large.").with_advice == f"Too large. {LimitError.advice}"
    own = pickle.loads(pickle.dumps(errors.CorruptError("It lies.", advice="Look elsewhere.")))
    assert (str(own), own.with_advice) == ("It lies.", "It lies. Look elsewhere.")
    assert ParameterError("Wrong.").with_advice == "Wrong."
