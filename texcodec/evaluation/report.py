"""Everything that was found, as one JSON value; tables, plots and texts are made from it and nothing else.

pictures        name, width, height of those that the means are over
skipped         name and reason of files that are no pictures
left_out        picture, codec and reason: what one codec cannot code is in no codec's means
curves          each with kind texcodec, measured or given, and results: {bpp: [...], psnr-rgb: [...], ...};
                measured ones with settings, version, seconds, and the numbers of every picture
bd_rate         of the first texcodec set, against every other curve; in PSNR for every picture, too
between_sets    BD-rates between all texcodec sets
crops           regions: picture, kind, and for every codec its quality, rate, PSNR and file
"""

from __future__ import annotations

import json
import math
import platform
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .. import __version__
from ..codec.workers import available_cores
from .bdrate import Range, against_all, bd_rate
from .crops import Crop
from .curves import Curve, curve_of_one, points_of
from .journal import Journal, Point
from .metrics import PSNR, Metric
from .pictures import Source

FORMAT = 1

Report = dict[str, Any]


@dataclass
class Findings:
    """What a run leaves behind.

    Attributes:
        sources: pictures that all codecs have coded.
        journal: with all of their points.
        metrics: PSNR first.
        measured: curves of the codecs, those of texcodec first.
        given: curves from files.
        skipped: name and reason.
        left_out: picture, codec and reason.
        notices: sentences that belong to the results.
    """

    sources: list[Source]
    journal: Journal
    metrics: list[Metric]
    measured: list[Curve]
    given: list[Curve]
    within: Range
    skipped: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[tuple[str, str, str]] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


def build(findings: Findings, crops: Sequence[tuple[Crop, str]] = ()) -> Report:
    """The report.

    Args:
        crops: and the name of each one's file in the report's folder.
    """
    first, *_ = findings.measured
    others = [*findings.measured[1:], *findings.given]
    sets = [curve for curve in findings.measured if curve.codec and curve.codec.ours]
    jobs = {
        point.jobs
        for curve in findings.measured
        for _, points in _points(curve, findings)
        for point in points
    }
    return {
        "format": FORMAT,
        "texcodec": __version__,
        "machine": {
            "processor": platform.machine(),
            "system": platform.system(),
            "cores": available_cores(),
            "python": platform.python_version(),
        },
        "jobs": max(jobs),
        "range": list(findings.within),
        "metrics": [
            {
                "key": m.key,
                "name": m.name,
                "unit": m.unit,
                "decimals": m.decimals,
                "curve_unit": m.straight_unit,
            }
            for m in findings.metrics
            if m.key in first.values
        ],
        "pictures": [{"name": s.name, "width": s.width, "height": s.height} for s in findings.sources],
        "skipped": [{"name": name, "reason": reason} for name, reason in findings.skipped],
        "left_out": [{"picture": p, "codec": c, "reason": r} for p, c, r in findings.left_out],
        "notices": findings.notices,
        "curves": [
            *(_measured(curve, findings) for curve in findings.measured),
            *({"name": c.name, "kind": "given", "results": _results(c)} for c in findings.given),
        ],
        "bd_rate": {
            "of": first.name,
            "against": _rounded(against_all(first, others, findings.metrics, findings.within)),
            "per_picture": _per_picture(findings),
        },
        "between_sets": [
            {"of": test.name, "against": anchor.name}
            | _rounded({m.key: bd_rate(anchor, test, m, findings.within) for m in findings.metrics})
            for test in sets
            for anchor in sets
            if test is not anchor
        ],
        "crops": _crops(crops),
    }


def to_json(report: Report) -> str:
    """Readable: lists of numbers on one line."""
    text = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False)
    return re.sub(r"\[\s+([-\d.,\s\w]*?)\s+\]", lambda m: f"[{' '.join(m[1].split())}]", text) + "\n"


def _results(curve: Curve) -> dict[str, list[float | None]]:
    results = {"bpp": _rounded(curve.rates, 6)}
    return results | {key: _rounded(values, 6) for key, values in curve.values.items()}


def _points(curve: Curve, findings: Findings) -> list[tuple[Source, list[Point]]]:
    assert curve.codec is not None
    return [
        (source, points_of(curve.codec, source, findings.journal, findings.metrics) or [])
        for source in findings.sources
    ]


def _measured(curve: Curve, findings: Findings) -> dict[str, Any]:
    codec, points = curve.codec, _points(curve, findings)
    assert codec is not None
    seconds = {
        what: statistics.median(
            getattr(p, f"{what}_s") / source.pixels * 1e6 for source, row in points for p in row
        )
        for what in ("encode", "decode")
    }
    entry: dict[str, Any] = {
        "name": codec.name,
        "key": codec.key,
        "kind": "texcodec" if codec.ours else "measured",
        "settings": codec.settings,
        "version": codec.version,
    }
    if codec.about:
        entry["about"] = codec.about
    return entry | {
        "qualities": list(codec.qualities),
        "results": _results(curve),
        "seconds_per_megapixel": _rounded(seconds),
        "rising": all(_rises(row) for _, row in points),
        "per_picture": {
            source.name: {
                "bytes": [p.bytes for p in row],
                **{m.key: _rounded([p.metrics[m.key] for p in row], 6) for m in findings.metrics},
                "encode_s": [p.encode_s for p in row],
                "decode_s": [p.decode_s for p in row],
            }
            for source, row in points
        },
    }


def _rises(points: Sequence[Point]) -> bool:
    """Whether bytes and PSNR rise with every step of the quality."""
    pairs = [(p.bytes, p.metrics[PSNR.key] or 0.0) for p in points]
    return all(a[0] < b[0] and a[1] < b[1] for a, b in zip(pairs, pairs[1:]))


def _per_picture(findings: Findings) -> dict[str, dict[str, float | None]]:
    """BD-rate in PSNR for every picture, by codec measured."""
    first, *others = (curve.codec for curve in findings.measured)
    table: dict[str, dict[str, float | None]] = {}
    for source in findings.sources:
        one = {
            c.name: curve_of_one(c, source, findings.journal, findings.metrics) for c in (first, *others) if c
        }
        test = one.pop(findings.measured[0].name)
        table[source.name] = {
            name: _rounded(bd_rate(anchor, test, PSNR, findings.within)) for name, anchor in one.items()
        }
    return table


def _crops(crops: Sequence[tuple[Crop, str]]) -> list[dict[str, Any]]:
    """By region, with the views of all codecs."""
    regions: dict[tuple[str, str], dict[str, Any]] = {}
    for crop, file in crops:
        entry = regions.setdefault(
            (crop.source.name, crop.kind),
            {"picture": crop.source.name, "kind": crop.kind, "region": list(crop.region), "views": []},
        )
        entry["views"].append(
            {
                "codec": crop.codec.name if crop.codec else None,
                "quality": crop.quality,
                "bpp": _rounded(crop.rate),
                "psnr-rgb": _rounded(crop.psnr),
                "file": file,
            }
        )
    return list(regions.values())


def _rounded(value: Any, digits: int = 4) -> Any:
    """Numbers to ``digits`` decimals, and None for those that JSON does not have, all the way down."""
    if isinstance(value, dict):
        return {key: _rounded(inner, digits) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(inner, digits) for inner in value]
    if isinstance(value, float):
        return round(value, digits) if math.isfinite(value) else None
    return value
