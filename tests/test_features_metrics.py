"""Measures of tasks, on answers whose measure is known."""

import numpy as np
import pytest

from texcodec.errors import ParameterError
from texcodec.features.metrics import MEASURES, Meter, angular_errors, confusion, mean_iou


def test_accuracy():
    meter = Meter("classification")
    meter.add(np.array([[0.1, 0.9], [3.0, -1.0], [0.0, 1.0]]), np.array([1, 1, 1]))
    assert meter.value() == pytest.approx(2 / 3)


def test_mean_iou_leaves_out_void_and_classes_that_do_not_occur():
    labels = np.array([[[0, 0, 1, 3]]])
    answers = np.zeros((1, 3, 1, 4))
    answers[0, [0, 1, 1, 2], 0, range(4)] = 1
    counts = confusion(answers, labels, 3)
    assert counts.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert mean_iou(counts) == pytest.approx(0.5)


def test_angles_do_not_depend_on_length():
    found = angular_errors(np.array([[[[5.0]], [[5.0]], [[0.0]]]]), np.array([[[[1.0]], [[0.0]], [[0.0]]]]))
    assert found == pytest.approx(45)


@pytest.mark.parametrize("kind", MEASURES)
def test_a_meter_sees_batches_as_one(kind):
    rng = np.random.default_rng(0)
    answers = rng.normal(size=(6, 3, 4, 5))
    labels = rng.normal(size=(6, 3, 4, 5))
    if kind == "classification":
        answers, labels = answers[:, :, 0, 0], np.arange(6) % 3
    elif kind == "segmentation":
        labels = rng.integers(0, 3, (6, 4, 5))
    whole, parts = Meter(kind), Meter(kind)
    assert np.isnan(whole.value())
    whole.add(answers, labels)
    for i in range(0, 6, 2):
        parts.add(answers[i : i + 2], labels[i : i + 2])
    assert parts.value() == pytest.approx(whole.value())


@pytest.mark.parametrize("kind", MEASURES)
def test_perfect_answers_get_the_best_value(kind):
    meter = Meter(kind)
    if kind == "classification":
        meter.add(np.eye(4), np.arange(4))
    elif kind == "segmentation":
        meter.add(np.eye(4)[:, :, None, None], np.arange(4)[:, None, None])
    else:
        tensor = np.random.default_rng(1).normal(size=(2, 3, 4, 4))
        meter.add(tensor, tensor)
    assert meter.value() == pytest.approx(1.0 if MEASURES[kind].higher_is_better else 0.0, abs=1e-5)


def test_unknown_kinds_and_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ParameterError, match="no kind of task named 'taste'"):
        Meter("taste")
    with pytest.raises(ParameterError, match="do not fit labels"):
        Meter("depth").add(np.zeros((1, 1, 2, 2)), np.zeros((1, 2, 2)))
