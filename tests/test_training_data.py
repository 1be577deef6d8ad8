"""Training pictures: reading, scaling, splitting, drawing crops. Needs torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pictures import photograph
from PIL import Image

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.train

from training_samples import photographs, sampler  # noqa: E402

from texcodec.errors import StreamError  # noqa: E402
from texcodec.files import write_atomically  # noqa: E402
from texcodec.texture import classify, complexity  # noqa: E402
from texcodec.training.pictures import decoded  # noqa: E402
from texcodec.training.pictures.decoded import Pictures  # noqa: E402
from texcodec.training.pictures.files import list_pictures, readable_extensions, split_held_out  # noqa: E402
from texcodec.training.pictures.resident import DevicePictures  # noqa: E402
from texcodec.training.pictures.sampler import CropSampler, Places, crop_complexities  # noqa: E402
from texcodec.training.pictures.settings import DataSettings  # noqa: E402


def save(path: Path, width: int = 50, height: int = 40, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(photograph(width, height, seed=seed)).save(path)
    return path


def test_held_out_pictures_are_whole_files() -> None:
    files = [Path(f"{i}.png") for i in range(25)]
    training, held_out = split_held_out(files)
    assert len(held_out) == 3 and not set(training) & set(held_out)
    assert split_held_out(files, 0) == (files, [])


def test_single_picture_is_trained_on() -> None:
    assert split_held_out([Path("only.png")]) == ([Path("only.png")], [])


def test_all_formats_that_pillow_reads_are_found_in_all_folders(tmp_path: Path) -> None:
    names = ["a.PNG", "deep/er/b.jpeg", "c.tiff", "d.webp", "e.gif", "f.jp2", "g.tga", "h.ico"]
    files = [save(tmp_path / name) for name in names if Path(name).suffix.lower() in readable_extensions()]
    assert len(files) >= 6
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "folder.png").mkdir()
    assert list_pictures([tmp_path]) == sorted(files)
    assert list_pictures([files[0], tmp_path / "deep"]) == sorted(files[:2])
    pictures = Pictures(list_pictures([tmp_path]), smallest=64)
    assert len(pictures.arrays) == len(files) and not pictures.skipped


def test_bad_pictures_are_named_and_skipped_with_the_reason(tmp_path: Path) -> None:
    good = save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "half.png").write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    Image.fromarray(np.zeros((70, 70), np.uint16)).save(tmp_path / "deep.png")
    pictures = Pictures(list_pictures([tmp_path]), smallest=64)
    assert [p.name for p, _ in pictures.skipped] == ["bad.png", "deep.png", "empty.jpg", "half.png"]
    reasons = {p.name: why for p, why in pictures.skipped}
    assert "8 bits" in reasons["deep.png"] and all(reasons.values())
    assert [a.shape for a in pictures.arrays] == [(64, 64, 3)]


def test_pictures_of_all_modes_become_colours(tmp_path: Path) -> None:
    base = Image.fromarray(photograph(70, 66))
    for mode in ("L", "LA", "RGBA", "P", "1", "CMYK"):
        base.convert(mode).save(tmp_path / f"{mode}.{'tif' if mode == 'CMYK' else 'png'}")
    base.convert("P").save(tmp_path / "see-through.gif", transparency=3)
    pictures = Pictures(list_pictures([tmp_path]), smallest=64)
    assert not pictures.skipped and {a.shape for a in pictures.arrays} == {(66, 70, 3)}


def test_pictures_smaller_than_a_crop_are_padded_by_reflection(tmp_path: Path) -> None:
    for width, height in ((50, 40), (1, 1), (300, 3)):
        file = save(tmp_path / f"{width}.png", width, height)
        array = Pictures([file], smallest=64).arrays[0]
        assert array.shape == (max(64, height), max(64, width), 3)
        np.testing.assert_array_equal(array[:height, :width], photograph(width, height))
        CropSampler([array], crop=64, seed=1).draw(np.random.default_rng(0), 4)


def test_pictures_are_kept_at_scales_drawn_around_those_asked_for(tmp_path: Path) -> None:
    files = [save(tmp_path / f"{i}.png", 300, 260, seed=i) for i in range(2)]
    settings = DataSettings(scales=(1.0, 0.6, 0.1), spread=0.2)
    arrays = Pictures(files, smallest=64, settings=settings).arrays
    assert [a.shape for a in arrays[::2]] == [(260, 300, 3)] * 2
    widths = [a.shape[1] for a in arrays[1::2]]
    assert len(arrays) == 4 and widths[0] != widths[1] and all(0.48 * 300 <= w <= 0.72 * 300 for w in widths)
    again = Pictures(files, smallest=64, settings=settings).arrays
    assert all(np.array_equal(a, b) for a, b in zip(arrays, again, strict=True))


def test_pictures_that_do_not_fit_go_to_a_memory_map_and_are_decoded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [save(tmp_path / f"{i}.png", 150, 140, seed=i) for i in range(3)]
    (tmp_path / "bad.png").write_bytes(b"")
    files.append(tmp_path / "bad.png")
    work = tmp_path / "work"
    in_memory = Pictures(files, smallest=64, work=work)
    assert not work.exists() and not isinstance(in_memory.arrays[0], np.memmap)
    settings = DataSettings(memory_share=0.0)
    mapped = Pictures(files, smallest=64, settings=settings, work=work)
    assert all(
        isinstance(a, np.memmap) and np.array_equal(a, b) for a, b in zip(mapped.arrays, in_memory.arrays)
    )
    assert len(mapped.arrays) == len(in_memory.arrays) and [f.name for f, _ in mapped.skipped] == ["bad.png"]

    def never(file: Path) -> None:
        raise AssertionError("decoded again")

    with monkeypatch.context() as patch:
        patch.setattr(decoded, "read_picture", never)
        again = Pictures(files, smallest=64, settings=settings, work=work)
    assert len(again.arrays) == len(mapped.arrays) and again.skipped == mapped.skipped
    save(files[0], 180, 140)

    def full(file: Path, *arguments: object, **options: object) -> None:
        if file.name == "pixels.json":
            raise StreamError("the disk is full")
        write_atomically(file, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(decoded, "write_atomically", full)
        with pytest.raises(StreamError):
            Pictures(files, smallest=64, settings=settings, work=work)
    assert not (work / "pixels.json").exists()  # the old one does not describe the new pixels
    assert Pictures(files, smallest=64, settings=settings, work=work).arrays[0].shape == (140, 180, 3)


def test_texture_of_crops_is_that_of_the_codec() -> None:
    pixels, random = photograph(200, 150, seed=4), np.random.default_rng(1)
    y, x = random.integers(150 - 64, size=20), random.integers(200 - 64, size=20)
    expected = [complexity(pixels[b : b + 64, a : a + 64]) for b, a in zip(y, x)]
    assert crop_complexities(pixels, y, x, 64).tolist() == expected


@pytest.mark.parametrize("balance", ["texture", "classes"])
def test_crops_have_the_classes_that_they_are_said_to_have(balance: str) -> None:
    thresholds = (2.0, 6.0)
    crops = sampler(thresholds=thresholds, balance=balance)
    places = crops.draw(np.random.default_rng(0), 12)
    measured = [classify(complexity(p), thresholds) for p in crops.cut(places)]
    assert places.classes.tolist() == measured
    if balance == "classes":
        assert places.groups == (4, 4, 4) and measured == sorted(measured)
    else:
        assert places.groups is None


def test_classes_without_crops_leave_their_share_to_the_others() -> None:
    crops = sampler(thresholds=(2.0, 200.0), balance="classes")
    assert crops.groups(9) == (5, 4, 0)
    assert crops.draw(np.random.default_rng(0), 9).classes.tolist() == [0] * 5 + [1] * 4


def test_crops_are_balanced_over_texture() -> None:
    flat = [np.full((300, 300, 3), 90 + i, np.uint8) for i in range(9)]
    busy = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    crops = CropSampler([*flat, busy], crop=64, seed=1)
    places = crops.draw(np.random.default_rng(0), 400)
    assert 150 < (places.where[:, 0] == 9).sum() < 250


def test_same_seed_draws_the_same_crops() -> None:
    a, b = (sampler().cut(sampler().draw(np.random.default_rng(5), 6)) for _ in range(2))
    np.testing.assert_array_equal(a, b)
    other = sampler().cut(sampler().draw(np.random.default_rng(6), 6))
    assert not np.array_equal(a, other)


def test_crops_cut_on_the_device_are_those_cut_on_the_cpu() -> None:
    arrays = [*photographs(2), photograph(64, 64, seed=7), photograph(90, 300, seed=8)]
    crops = CropSampler(arrays, crop=64, seed=1)
    places = crops.draw(np.random.default_rng(0), 24)
    places.where[:4, 3:] = [[0, 0], [0, 1], [1, 0], [1, 1]]
    on_device = DevicePictures(arrays, 64, torch.device("cpu")).cut(torch.from_numpy(places.where))
    np.testing.assert_array_equal(on_device.permute(0, 2, 3, 1).numpy(), crops.cut(places))


def test_mirrored_and_transposed_crops_are_what_they_say() -> None:
    arrays = photographs(1)
    crops = CropSampler(arrays, crop=64, seed=1)
    where = np.array([[0, 5, 7, m, t] for m in (0, 1) for t in (0, 1)])
    plain, turned, mirrored, both = crops.cut(Places(where, np.zeros(4, np.int64), None))
    np.testing.assert_array_equal(plain, arrays[0][5:69, 7:71])
    np.testing.assert_array_equal(turned, plain.transpose(1, 0, 2))
    np.testing.assert_array_equal(mirrored, plain[:, ::-1])
    np.testing.assert_array_equal(both, plain[:, ::-1].transpose(1, 0, 2))
