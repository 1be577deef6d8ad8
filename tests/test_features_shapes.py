"""The renderer of shapes: what it says about a picture holds in the picture."""

import numpy as np
import pytest

from texcodec.errors import ParameterError
from texcodec.examples.shapes import CLASSES, FARTHEST, SEGMENTS, render
from texcodec.features.metrics import angular_errors


def test_a_picture_depends_on_the_seed_and_its_number_alone():
    whole, part = render(7, 6), render(7, 2, first=3)
    for name in ("pictures", "classes", "segmentation", "normals", "depth"):
        assert np.array_equal(getattr(whole, name)[3:5], getattr(part, name))
    assert not np.array_equal(render(8, 1).pictures, whole.pictures[:1])


def test_shapes_and_ranges():
    scenes = render(0, 3, width=40, height=24)
    assert scenes.pictures.shape == (3, 24, 40, 3) and scenes.pictures.dtype == np.uint8
    assert scenes.segmentation.shape == (3, 24, 40) and scenes.segmentation.max() < len(SEGMENTS)
    assert scenes.normals.shape == (3, 3, 24, 40) and scenes.depth.shape == (3, 1, 24, 40)
    assert np.allclose(np.linalg.norm(scenes.normals, axis=1), 1, atol=1e-5)
    assert scenes.depth.min() > 0 and scenes.depth.max() < 1


def test_no_surface_faces_away_from_the_camera():
    assert render(1, 40).normals[:, 2].max() <= 1e-4


def test_the_class_is_that_of_the_largest_solid_and_every_class_occurs():
    scenes = render(2, 150)
    assert set(scenes.classes) == set(range(len(CLASSES)))
    for label, segments in zip(scenes.classes, scenes.segmentation):
        assert label + 1 in segments


def test_normals_are_those_of_the_depth_map():
    scenes = render(3, 60, width=128, height=128)
    z = scenes.depth[:, 0] * FARTHEST
    step = 2 / 128
    down, right = np.gradient(z, step, axis=(1, 2))
    from_depth = np.stack([right, down, -np.ones_like(z)], 1)
    errors = angular_errors(from_depth, scenes.normals)
    for segment in range(len(SEGMENTS)):
        # away from edges, where the difference of two depths says nothing
        assert np.median(errors[scenes.segmentation == segment]) < 1.5, SEGMENTS[segment]
        assert np.mean(errors[scenes.segmentation == segment] < 6) > 0.75, SEGMENTS[segment]


def test_bad_sizes_and_seeds_are_refused():
    for arguments in ((0, 1, 4), (-1, 1, 64), (0, -1, 64)):
        seed, count, width = arguments
        with pytest.raises(ParameterError, match="at least"):
            render(seed, count, width=width)
