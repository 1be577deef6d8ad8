"""The Python side of the viewer: packs of model sets, and who is answered by the server of ``texcodec view``."""

from __future__ import annotations

import gzip
import importlib.util
import json
import shutil
import struct
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cli_runs import texcodec
from safetensors.numpy import load_file

from texcodec.registry import find_set
from texcodec.viewer.pack import MAGIC, byte_planes, catalogue, pack_models
from texcodec.viewer.server import PageMissingError, ViewServer

DRAFT_SET = Path(__file__).parent / "data" / "tiny-2"
"""Of entropy profile 2, which no released set has yet."""
IDENTITY = "a439b2d848a6e3bd15bbfed2872f14bf"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ViewServer]:
    (tmp_path / "index.html").write_text("<p>the page</p>")
    (tmp_path / "ort.wasm").write_bytes(b"\0asm")
    view = ViewServer(b"bytes of a file", "a picture.tcx", tmp_path)
    thread = threading.Thread(target=view.serve)
    thread.start()
    yield view
    view.close()
    thread.join()


def fetched(url: str, **headers: str) -> tuple[int, str, bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as response:
            return response.status, response.headers["Content-Type"], response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read()


@pytest.mark.parametrize("set_name", ["tiny-1", "tiny-2"])
def test_pack_holds_every_graph_and_array_of_the_decoder_as_it_is_stored(set_name: str) -> None:
    folder = find_set(set_name) if set_name == "tiny-1" else DRAFT_SET
    packed = pack_models(folder)
    assert packed == pack_models(folder)
    data = gzip.decompress(packed)
    assert data[:8] == MAGIC
    (length,) = struct.unpack_from("<I", data, 8)
    head = json.loads(data[12 : 12 + length])
    position = 12 + length
    assert "analysis" not in dict(head["graphs"]) and "synthesis" in dict(head["graphs"])
    for name, size in head["graphs"]:
        assert data[position : position + size] == (folder / "graphs" / f"{name}.onnx").read_bytes()
        position += size
    arrays = load_file(folder / "decoder.safetensors")
    assert [entry[0] for entry in head["arrays"]] == sorted(arrays)
    repeated = 0
    for name, kind, shape, *same in head["arrays"]:
        array = arrays[name]
        assert (array.dtype.name, list(array.shape)) == (kind, shape)
        if same:
            other, repeated = arrays[head["arrays"][same[0]][0]], repeated + 1
            assert other.dtype == array.dtype and other.tobytes() == array.tobytes()
            continue
        planes = np.frombuffer(data, np.uint8, array.nbytes, position).reshape(array.dtype.itemsize, -1)
        assert planes.T.tobytes() == array.tobytes()
        position += array.nbytes
    assert position == len(data)
    assert repeated > 0 or set_name == "tiny-1"  # whose classes share nothing


def test_byte_planes_begin_with_the_lowest_bytes() -> None:
    planes = byte_planes(np.array([0x0201, 0x0403], ">u2"))
    assert planes.tolist() == [[1, 3], [2, 4]]


def test_catalogue_names_classes_and_tasks() -> None:
    found = catalogue([find_set("tiny-1"), find_set("shapes-1", "features")])
    assert found[IDENTITY] == {"name": "tiny-1", "kind": "pictures", "classes": ["smooth", "medium", "busy"]}
    assert any("segmentation" in entry.get("tasks", ()) for entry in found.values())


def test_server_gives_page_file_and_models(server: ViewServer) -> None:
    base = server.url.split("index.html")[0]
    assert base.startswith("http://127.0.0.1:")
    assert fetched(server.url) == (200, "text/html; charset=utf-8", b"<p>the page</p>")
    assert fetched(base + "ort.wasm")[1] == "application/wasm"
    assert fetched(base + "file/a%20picture.tcx") == (200, "image/x-tcx", b"bytes of a file")
    assert IDENTITY in json.loads(fetched(base + "models/catalogue.json")[2])
    assert fetched(f"{base}models/{IDENTITY[:16]}.tcxpack")[2] == pack_models(find_set("tiny-1"))
    assert fetched(f"{base}models/{'0' * 16}.tcxpack")[0] == 404


def test_server_gives_a_sound_copy_where_another_is_damaged(
    server: ViewServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = tmp_path / "sets" / "tiny-1"
    shutil.copytree(find_set("tiny-1"), damaged)
    (damaged / "decoder.safetensors").write_bytes(b"cut")
    sound = pack_models(find_set("tiny-1"))
    monkeypatch.setenv("TEXCODEC_MODELS", str(tmp_path / "sets"))
    base = server.url.split("index.html")[0]
    assert fetched(f"{base}models/{IDENTITY[:16]}.tcxpack")[2] == sound


@pytest.mark.parametrize("path", ["", "index.html", "x" * 32 + "/index.html", "../index.html"])
def test_server_gives_nothing_without_the_token(server: ViewServer, path: str) -> None:
    origin = "/".join(server.url.split("/")[:3])
    assert fetched(f"{origin}/{path}")[0] == 404


def test_server_gives_nothing_outside_of_the_page(server: ViewServer, tmp_path: Path) -> None:
    (tmp_path.parent / "secret").write_text("secret")
    base = server.url.split("index.html")[0]
    for path in ("../secret", "..%2fsecret", "%2e%2e/secret", f"{tmp_path.parent}/secret"):
        assert fetched(base + path)[0] == 404


def test_server_gives_nothing_to_another_host_name(server: ViewServer) -> None:
    assert fetched(server.url, Host="evil.example")[0] == 404


def test_wheels_without_the_whole_page_are_noticed(tmp_path: Path) -> None:
    path = Path(__file__).resolve().parents[1] / "hatch_build.py"
    specification = importlib.util.spec_from_file_location("hatch_build", path)
    assert specification is not None and specification.loader is not None
    hook = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(hook)
    assert "no page" in hook.missing_page(tmp_path)
    page = tmp_path / "texcodec" / "viewer" / "page"
    page.mkdir(parents=True)
    names = ["index.html", "page.js", "worker.js", "ort.wasm", "webp.wasm", "licences.txt"]
    for name in names[1:]:
        (page / name).write_bytes(b"")
    assert "without index.html" in hook.missing_page(tmp_path)
    (page / "index.html").write_bytes(b"")
    assert hook.missing_page(tmp_path) is None


def test_missing_page_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(PageMissingError, match="not part of this installation") as error:
        ViewServer(b"", "a.tcx", tmp_path)
    assert "make viewer" in error.value.with_advice


def test_view_of_a_missing_file_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert texcodec("view", "--no-browser", tmp_path / "none.tcx") == 1
    assert "none.tcx" in capsys.readouterr().err
