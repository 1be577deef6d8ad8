"""Settings for all tests."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def no_model_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests choose their model set themselves."""
    monkeypatch.delenv("TEXCODEC_MODELS", raising=False)
