"""Task networks, losses and examples of the renderer's and other tasks."""

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.train

from texcodec.errors import ImageError, ParameterError  # noqa: E402
from texcodec.examples.shapes import render  # noqa: E402
from texcodec.features.examples import class_names, drawn, examples  # noqa: E402
from texcodec.training.features import losses  # noqa: E402
from texcodec.training.features.splitting import split  # noqa: E402
from texcodec.training.features.task_networks import (  # noqa: E402
    ANSWERS,
    shapes_network,
)


@pytest.mark.parametrize("kind", ANSWERS)
def test_networks_of_shapes_answer_in_the_size_of_the_picture(kind):
    network = shapes_network(kind).eval()
    x = torch.rand(2, 3, 32, 48) * 255
    parts = split(network, "front").freeze()
    h = parts.front(x)
    assert h.shape == (2, 32, 32 // 8, 48 // 8)
    expected = (2, ANSWERS[kind]) if kind == "classification" else (2, ANSWERS[kind], 32, 48)
    assert parts.tail(h).shape == expected
    assert torch.allclose(parts.tail(h), network(x))


def test_unknown_tasks_are_refused():
    with pytest.raises(ParameterError, match="no task 'colour'"):
        shapes_network("colour")
    with pytest.raises(ParameterError, match="no task 'colour'"):
        next(drawn(render(0, 1), "colour"))
    with pytest.raises(ParameterError, match="no kind of task"):
        losses.loss_of_kind("colour")


def test_a_network_learns_a_renderers_task_in_a_few_steps():
    torch.manual_seed(0)
    found = list(drawn(render(5, 24), "depth"))
    x = torch.from_numpy(np.stack([e.picture for e in found])).permute(0, 3, 1, 2).float()
    label = torch.from_numpy(np.stack([e.label for e in found]))
    network = shapes_network("depth").train()
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    seen = []
    for _ in range(25):
        loss = losses.absolute(network(x), label).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        seen.append(float(loss.detach()))
    assert seen[-1] < 0.6 * seen[0]


def test_losses_are_one_number_a_picture():
    answer, label = torch.rand(3, 4, 5, 6), torch.randint(0, 4, (3, 5, 6))
    assert losses.cross_entropy(answer, label).shape == (3,)
    assert losses.cross_entropy(answer[:, :, 0, 0], label[:, 0, 0]).shape == (3,)
    assert losses.cosine(answer, answer) == pytest.approx(torch.zeros(3), abs=1e-6)
    assert losses.absolute(answer, answer + 0.25) == pytest.approx(torch.full((3,), 0.25), abs=1e-6)
    assert losses.squared(answer, answer + 0.5) == pytest.approx(torch.full((3,), 0.25), abs=1e-6)


def test_void_pixels_do_not_count():
    answer = torch.randn(2, 3, 4, 4)
    label = torch.randint(0, 3, (2, 4, 4))
    label[0, :2] = 3
    part = torch.nn.functional.cross_entropy(answer[:1, :, 2:], label[:1, 2:])
    assert losses.cross_entropy(answer, label)[0] == pytest.approx(float(part), rel=1e-5)
    label[1] = 255
    assert losses.cross_entropy(answer, label)[1] == 0


def test_examples_of_folders(tmp_path):
    picture = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
    for name in ("b", "a"):
        (tmp_path / "classes" / name).mkdir(parents=True)
        picture.save(tmp_path / "classes" / name / "1.png")
    found = list(examples(tmp_path / "classes", "classification"))
    assert [int(e.label) for e in found] == [0, 1] and found[0].picture.shape == (4, 4, 3)
    (tmp_path / "classes.txt").write_text("b second\na first\n")
    assert class_names(tmp_path / "classes") == ["b", "a"]
    scenes = tmp_path / "scenes"
    for part in ("images", "labels"):
        (scenes / part).mkdir(parents=True)
    picture.save(scenes / "images" / "1.png")
    with pytest.raises(ParameterError, match="has no label"):
        next(examples(scenes, "segmentation"))
    Image.fromarray(np.full((4, 4), 7, np.uint8)).save(scenes / "labels" / "1.png")
    np.save(scenes / "labels" / "1.npy", np.ones((3, 4, 4), np.float32))
    assert next(examples(scenes, "segmentation")).label.max() == 7
    assert next(examples(scenes, "normals")).label.shape == (3, 4, 4)
    (scenes / "labels" / "1.npy").write_bytes(b"nothing")
    with pytest.raises(ImageError, match="cannot be read"):
        next(examples(scenes, "normals"))
    picture.save(scenes / "labels" / "1.png")
    with pytest.raises(ImageError, match="one number per pixel"):
        next(examples(scenes, "segmentation"))
    with pytest.raises(ParameterError, match="no pictures"):
        next(examples(tmp_path / "empty", "depth"))
