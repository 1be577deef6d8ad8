"""Speed and memory on this machine: whole processes, warm throughput, large pictures; writes docs/performance.md.

    python benchmarks/speed.py [PICTURE] [--models SET] [--runs N]

Absolute times belong to the machine that measured them; ratios depend less on it.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from provenance import provenance, sentence

import texcodec
from texcodec.codec.refinement import DEFAULT_EFFORT
from texcodec.registry import load_set

ROOT = Path(__file__).resolve().parents[1]
MEASURE = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
wall = time.perf_counter() - start
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({"code": code, "wall": wall, "cpu": used.ru_utime + used.ru_stime, "peak": used.ru_maxrss /
1024}))
"""


def process(arguments: list[str], runs: int) -> dict[str, float]:
    """Medians of wall and CPU seconds and the largest peak memory in MiB of a command, after one warm-up.

    Modules are compiled by the warm-up, as pip compiles those that it installs.
    """
    import json

    results = []
    with tempfile.TemporaryDirectory() as compiled:
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = compiled
        for _ in range(runs + 1):
            command = [sys.executable, "-c", MEASURE, sys.executable, "-m", "texcodec", *arguments]
            done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
            results.append(json.loads(done.stdout))
            assert results[-1]["code"] == 0, done.stderr
    counted = results[1:]
    return {
        "wall": statistics.median(r["wall"] for r in counted),
        "cpu": statistics.median(r["cpu"] for r in counted),
        "peak": max(r["peak"] for r in counted),
    }


def warm(run: object, runs: int) -> float:
    """Median seconds of a call, after one warm-up."""
    times = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        run()  # type: ignore[operator]
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def enlarge(image: Image.Image, width: int, height: int) -> Image.Image:
    """A large picture of real texture: the given one, mirrored and repeated."""
    pixels = np.asarray(image.convert("RGB"))
    reps = -(-height // pixels.shape[0]), -(-width // pixels.shape[1])
    rows = [np.concatenate([pixels[:, :: 1 if i % 2 == 0 else -1] for i in range(reps[1])], 1)] * reps[0]
    turned = [row[:: 1 if j % 2 == 0 else -1] for j, row in enumerate(rows)]
    return Image.fromarray(np.ascontiguousarray(np.concatenate(turned)[:height, :width]))


def entropy_share(data: bytes, models: str | None) -> tuple[float, float]:
    """Share of the time in rANS and tables, decoding and encoding a picture with one thread."""
    from texcodec.entropy import rans

    spent = [0.0]
    patched = []
    for cls in (rans.SymbolReader, rans.SymbolWriter):
        for name in ("rows", "indexed", "finish", "__init__"):
            if name not in vars(cls):
                continue
            original = vars(cls)[name]
            patched.append((cls, name, original))

            def timed(*args: object, _original: object = original, **kwargs: object) -> object:
                start = time.perf_counter()
                try:
                    return _original(*args, **kwargs)  # type: ignore[operator]
                finally:
                    spent[0] += time.perf_counter() - start

            setattr(cls, name, timed)
    try:
        start = time.perf_counter()
        image = texcodec.decode(data, models=models, threads=1)
        decoding = spent[0] / (time.perf_counter() - start)
        spent[0] = 0.0
        start = time.perf_counter()
        texcodec.encode(image, models=models, threads=1)
        return decoding, spent[0] / (time.perf_counter() - start)
    finally:
        for cls, name, original in patched:
            setattr(cls, name, original)


def processor() -> str:
    """The architecture and the widest vectors of this machine: most of the time goes into products of matrices."""
    try:
        flags = Path("/proc/cpuinfo").read_text("utf-8").split()
    except OSError:
        flags = []
    units = next((name for flag, name in (("avx512f", "AVX-512"), ("avx2", "AVX2")) if flag in flags), None)
    return f"{platform.machine()} with {units}" if units else platform.machine()


def throughput(name: str, single: float, all_cores: float) -> str:
    """A row of the table of warm speeds, from megapixels a second."""
    return f"| {name} | {single:.2f} MP/s | {all_cores:.2f} MP/s | {all_cores / single:.2f} |"


def large_picture(image: Image.Image, models: list[str], folder: Path) -> list[str]:
    rows = []
    for megapixels, (width, height) in {6: (3000, 2000), 12: (4000, 3000), 24: (6000, 4000)}.items():
        source, coded, back = folder / "large.png", folder / "large.tcx", folder / "large.ppm"
        enlarge(image, width, height).save(source, compress_level=1)
        encoding = process(["encode", str(source), "--output", str(coded), "-f", "--quiet", *models], 1)
        decoding = process(["decode", str(coded), "--output", str(back), "-f", "--quiet", *models], 1)
        rows.append(
            f"| {megapixels} MP | {encoding['wall']:.1f} s | {encoding['wall'] / megapixels:.2f} s "
            f"| {encoding['peak']:.0f} MiB | {decoding['wall']:.1f} s | {decoding['wall'] / megapixels:.2f} s "
            f"| {decoding['peak']:.0f} MiB |"
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("picture", nargs="?", type=Path, default=ROOT / "examples" / "cat.png")
    parser.add_argument("--models")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "performance.md")
    options = parser.parse_args()
    models = ["--models", options.models] if options.models else []
    image = enlarge(Image.open(options.picture), 768, 512)
    pixels = 768 * 512 / 1e6
    loaded = load_set(options.models)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        source, coded, back = folder / "a.png", folder / "a.tcx", folder / "b.png"
        image.save(source)
        commands = {
            "`texcodec encode`": ["encode", str(source), "--output", str(coded), "-f", *models],
            "`texcodec decode`": ["decode", str(coded), "--output", str(back), "-f", *models],
            "`texcodec info`": ["info", str(coded)],
        }
        cold = {name: process(arguments, options.runs) for name, arguments in commands.items()}
        data = coded.read_bytes()
        both = {
            t: warm(lambda t=t: texcodec.decode(data, models=options.models, threads=t), 7) for t in (1, None)
        }
        coding = {
            effort: [
                pixels
                / warm(
                    lambda t=t, e=effort: texcodec.encode(image, models=options.models, threads=t, effort=e),
                    7,
                )
                for t in (1, None)
            ]
            for effort in (1, DEFAULT_EFFORT)
        }
        shares = entropy_share(data, options.models)
        large = large_picture(image, models, folder)
    low = texcodec.open(texcodec.encode(image, bpp=0.15, models=options.models))
    macs = loaded.macs()
    lines = [
        "# Speed and memory",
        "",
        "Written by `make bench` (benchmarks/speed.py). Absolute times belong to the machine: "
        f"{processor()}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}. "
        f"Model set {loaded.name}, quality 50, {options.picture.name} enlarged to 768 × 512.",
        "",
        *sentence({"provenance": provenance([options.picture], command="make bench")}),
        "",
        "| whole process | wall | CPU | peak memory |",
        "| --- | --- | --- | --- |",
        *(f"| {n} | {r['wall']:.2f} s | {r['cpu']:.2f} s | {r['peak']:.0f} MiB |" for n, r in cold.items()),
        "",
        "| warm, in one process | 1 thread | all cores | speed-up |",
        "| --- | --- | --- | --- |",
        throughput("encode, effort 1", *coding[1]),
        throughput("encode", *coding[DEFAULT_EFFORT]),
        throughput("decode", pixels / both[1], pixels / both[None]),
        "",
        "| large picture | encode | per megapixel | peak | decode | per megapixel | peak |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *large,
        "",
        "| | |",
        "| --- | --- |",
        f"| entropy coding, share of the time of decoding | {shares[0]:.1%} |",
        f"| entropy coding, share of the time of encoding | {shares[1]:.1%} |",
        f"| container, share of a file at 0.15 bits per pixel | {low.container_bytes / low.file_bytes:.2%} |",
        f"| decoder, kMAC per pixel, halo and fusion included | {macs['decode']:.2f} |",
        f"| encoder, kMAC per pixel, context around tiles included, without corrections | {macs['encode']:.2f} |",
        "",
    ]
    options.out.write_text("\n".join(lines), "utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
