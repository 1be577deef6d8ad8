"""The guide for Python runs from top to bottom as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pictures import photograph
from PIL import Image

import texcodec
import texcodec.pillow

GUIDE = Path(__file__).resolve().parents[1] / "docs" / "guides" / "python.md"


def test_python_of_the_guide_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(photograph(440, 270)).save("in.png")
    blocks = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 10
    names: dict[str, object] = {}
    texcodec.pillow.register()
    try:
        for block in blocks:
            exec(compile(block, str(GUIDE), "exec"), names)
    finally:
        texcodec.pillow.register()
        for register in (Image.OPEN, Image.SAVE, Image.MIME):
            register.pop("TCX")
        Image.EXTENSION.pop(".tcx")
        Image.ID[:] = [name for name in Image.ID if name != "TCX"]
    assert names["array"].shape == (270, 440, 3)  # type: ignore[attr-defined]
    assert names["batch"].shape[:2] == (1, 3)  # type: ignore[attr-defined]
    with texcodec.open("small.tcx") as small:
        assert small.width == 256
