"""The whole evaluation, from names on the command line to the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from ..codec.refinement import DEFAULT_EFFORT
from ..errors import ImageError, ParameterError, TexcodecError
from . import folder
from .adapters import DEFAULT_QUALITIES, USUAL, Codec, find_codecs, our_codecs
from .bdrate import DEFAULT_RANGE, Range
from .crops import cut_crops
from .curves import Curve, mean_curve, points_of, read_curve
from .journal import Journal, Point
from .measure import Bench, threads_of_each
from .metrics import DEFAULT, Metric, find_metrics
from .pictures import LOSSY_SUFFIXES, Source, find_files, survey
from .report import Findings, Report, build

OURS = "texcodec"


@dataclass(frozen=True)
class Task:
    """What is to be evaluated.

    Attributes:
        pictures: names of files and folders.
        against: keys of codecs; None is all of the usual ones that can run here.
        sets: model sets, at least one; None is the default set.
        curves: each ``NAME=FILE``.
        qualities: by key of the codec, ``texcodec`` for texcodec; the others have their own.
        effort: of texcodec, 1 to 9.
        metrics: keys.
        within: bits per pixel that BD-rates are of.
        out: folder of the report; None to have none.
        force: see ``folder.prepare``.
        jobs: points to measure at a time.
        crops: whether a report in ``out`` shows crops side by side, which are coded anew.
    """

    pictures: Sequence[str]
    against: Sequence[str] | None = None
    sets: Sequence[str | None] = (None,)
    curves: Sequence[str] = ()
    qualities: Mapping[str, Sequence[float]] = field(default_factory=dict)
    effort: int = DEFAULT_EFFORT
    metrics: Sequence[str] = DEFAULT
    within: Range = DEFAULT_RANGE
    out: Path | None = None
    force: bool = False
    jobs: int = 1
    crops: bool = True


class Listener(Protocol):
    """Called while the evaluation runs."""

    def warn(self, name: str | None, sentence: str) -> None:
        """Something to know, about a picture or about all."""

    def failed(self, name: str, sentence: str) -> None:
        """A picture that cannot be read, or that a codec cannot code."""

    def measured(self, codec: Codec, source: Source, point: Point) -> None:
        """A new point."""

    def progress(self, done: int, total: int) -> None:
        """Points done, of how many."""


def evaluate(task: Task, listener: Listener) -> Report:
    """Measure what is not known yet, and write the report.

    Raises:
        ParameterError: names that there are not, contradictions, or libraries that are missing.
        ImageError: none of the pictures can be read.
        ModelError: a model set is missing or damaged.
        StreamError: the folder cannot be written.
        TexcodecError: no picture was coded by every codec.
    """
    _require_libraries()
    codecs, given, metrics = _choose(task, lambda sentence: listener.warn(None, sentence))
    files = find_files(task.pictures, apart_from=task.out)
    journal = Journal(folder.prepare(task.out, force=task.force) if task.out else None)
    skipped: list[tuple[str, str]] = []
    notices: list[str] = []

    def warn(sentence: str) -> None:
        notices.append(sentence)
        listener.warn(None, sentence)

    sources = survey(files, warn=listener.warn, failed=_both(listener.failed, skipped))
    if not sources:
        raise ImageError("None of the pictures can be read; name others.")
    lossy = sum(source.path.suffix.lower() in LOSSY_SUFFIXES for source in sources)
    if lossy:
        warn(
            f"{lossy} of the pictures come from files of lossy codecs, whose losses are part of the original here."
        )
    if len(journal):
        listener.warn(
            None, f"{journal.path} holds {len(journal)} points; what is in it is not measured again."
        )
    left_out: list[tuple[str, str, str]] = []

    def failed(codec: Codec, source: Source, sentence: str) -> None:
        left_out.append((source.name, codec.name, sentence))
        listener.failed(source.name, f"{codec.name} cannot code it: {sentence}")

    bench = Bench(journal, metrics, task.jobs, failed, listener.measured)
    bench.run(codecs, sources, listener.progress)
    codecs, complete = _complete(codecs, sources, bench, warn)
    for metric in metrics:
        small = [s.name for s in complete if min(s.width, s.height) < metric.smallest]
        if small:
            warn(
                f"{metric.name} is left out: it needs {metric.smallest} pixels per side, and {len(small)} of the "
                f"pictures are smaller ({small[0]}{', ...' if len(small) > 1 else ''})."
            )
    measured = [mean_curve(codec, complete, journal, metrics) for codec in codecs]
    findings = Findings(complete, journal, metrics, measured, given, task.within, skipped, left_out, notices)
    if task.out is None:
        return build(findings)
    crops = cut_crops(codecs, complete, bench) if task.crops else []
    names = folder.crop_names(crops)
    report = build(findings, list(zip(crops, names)))
    folder.write(task.out, report, dict(zip(names, crops)))
    return report


def _require_libraries() -> None:
    try:
        import matplotlib

        matplotlib.use("Agg")
        import bjontegaard  # noqa: F401
    except ImportError:
        raise ParameterError(
            'Evaluation needs bjontegaard and matplotlib; install them with: pip install "texcodec[evaluate]".'
        ) from None


def _choose(task: Task, warn: Callable[[str], None]) -> tuple[list[Codec], list[Curve], list[Metric]]:
    metrics = find_metrics(task.metrics, warn)
    given = [read_curve(text) for text in task.curves]
    others = find_codecs(USUAL if task.against is None else task.against, warn)
    if task.against and not others:
        raise ParameterError(
            f"None of {', '.join(task.against)} can be written here; install one or choose others."
        )
    threads = None if task.jobs == 1 else threads_of_each(task.jobs)
    qualities = task.qualities.get(OURS, DEFAULT_QUALITIES)
    ours = our_codecs(task.sets, qualities, effort=task.effort, threads=threads)
    unused = set(task.qualities) - {OURS, *(codec.key for codec in others)}
    if unused:
        raise ParameterError(
            f"Qualities are given for {', '.join(sorted(unused))}, which is not measured; the codecs are "
            f"{', '.join([OURS, *(codec.key for codec in others)])}."
        )
    codecs = [*ours, *(replace(c, qualities=tuple(task.qualities.get(c.key, c.qualities))) for c in others)]
    names = [curve.name for curve in given] + [codec.name for codec in codecs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ParameterError(f"Two curves are named {twice[0]}; give every curve another name.")
    return codecs, given, metrics


def _complete(
    codecs: list[Codec], sources: list[Source], bench: Bench, warn: Callable[[str], None]
) -> tuple[list[Codec], list[Source]]:
    """Codecs that could code something, and the pictures that all of those could code."""

    def coded(codec: Codec, source: Source) -> bool:
        return points_of(codec, source, bench.journal, bench.metrics) is not None

    useful = []
    for codec in codecs:
        if any(coded(codec, source) for source in sources):
            useful.append(codec)
        elif codec.ours:
            raise TexcodecError(f"{codec.name} could code none of the pictures; see the messages above.")
        else:
            warn(f"{codec.name} could code none of the pictures and is left out.")
    complete = [source for source in sources if all(coded(codec, source) for codec in useful)]
    if not complete:
        raise TexcodecError("No picture could be coded by every codec; leave out a codec with --against.")
    return useful, complete


def _both(tell: Callable[[str, str], None], keep: list[tuple[str, str]]) -> Callable[[str, str], None]:
    def failed(name: str, sentence: str) -> None:
        keep.append((name, sentence))
        tell(name, sentence)

    return failed
