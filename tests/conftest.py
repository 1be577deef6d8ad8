"""Settings for all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def no_model_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests choose their model set themselves."""
    monkeypatch.delenv("TEXCODEC_MODELS", raising=False)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """torch on one thread: sums in one order, and tests do not fight for cores."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
