"""``texcodec info``: what a file says of itself, without decoding it.

Reads the container and manifests only: no network is loaded, and none of the libraries that run one.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from texcodec.cli import options
from texcodec.cli.console import Console, display_name, emit, in_columns
from texcodec.cli.info_features import describe_streams, stream_line
from texcodec.cli.inputs import opened, process
from texcodec.container import (
    CROP,
    DRAWN,
    EXACT,
    EXIF,
    FEAT,
    FEAT_ANCILLARY,
    ICCP,
    PREV,
    PSUM,
    TEXT,
    XMPD,
    Reader,
)
from texcodec.errors import CorruptError
from texcodec.limits import Limits

if TYPE_CHECKING:
    from texcodec.registry.picture_manifest import PictureManifest

_METADATA = {ICCP: "icc", EXIF: "exif", XMPD: "xmp", PREV: "preview", PSUM: "pixel checksum"}


@click.command("info", short_help="Describe .tcx files.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a file, each on its own line.")
@options.models
@options.limits
def command(files: tuple[str, ...], as_json: bool, models: str | None, limits: Limits) -> int:
    """Describe .tcx files: size, tiles and their classes, rate, model set, feature streams and metadata.

    Nothing is decoded. Classes and tasks are named if the sets that the file needs are installed. A FILE "-" is
    standard input.
    """

    def describe_one(name: str) -> None:
        with opened(name) as file:
            facts = describe(Reader(file, limits), models)
        facts = {"file": click.format_filename(display_name(name)), **facts}
        emit(json.dumps(facts) if as_json else _as_text(facts))

    return process(Console(quiet=True), files, describe_one)


def describe(reader: Reader, models: str | None = None) -> dict[str, Any]:
    """What ``info --json`` prints, less the file's name.

    Args:
        reader: of the file.
        models: a model set to look into, beside those that are found by themselves.
    """
    header = reader.header
    needs_set = header.has_pixels and not header.needs_no_set
    manifest = _manifest_of(header.identity, models) if needs_set else None
    present = [entry for entry in reader.tiles if not entry.absent]
    tiles_of, bytes_of = Counter(entry.class_index for entry in present), Counter[int]()
    for entry in present:
        bytes_of[entry.class_index] += entry.length
    names = manifest.classes if manifest else ()
    offsets = [entry.offset for entry in present if not entry.drawn] or [0]
    return {
        "bytes": reader.file_bytes,
        "bits_per_pixel": round(8 * reader.file_bytes / (header.width * header.height), 6),
        "container_bytes": reader.container_bytes,
        "format_version": f"{header.major}.{header.minor}",
        "lean": header.lean,
        "width": header.width,
        "height": header.height,
        "mode": ("L" if header.channels == 1 else "RGB") + ("A" if header.alpha_mode else ""),
        "bit_depth": header.bit_depth,
        "cicp": list(header.cicp),
        "tile": header.tile,
        "columns": header.grid.columns,
        "rows": header.grid.rows,
        "origin": [header.origin_x, header.origin_y],
        "crop": _crop(reader),
        "tiles": len(present),
        "absent_tiles": len(reader.tiles) - len(present),
        "classes": [
            {
                "class": index,
                "name": names[index] if index < len(names) else None,
                "tiles": tiles_of[index],
                "bytes": bytes_of[index],
            }
            for index in range(header.classes if needs_set else 0)
        ],
        "drawn_tiles": {
            "tiles": tiles_of[DRAWN],
            "bytes": bytes_of[DRAWN],
            "lossless": sum(entry.drawn and entry.offset == EXACT for entry in present),
        },
        "lossless": bool(present) and all(entry.drawn and entry.offset == EXACT for entry in reader.tiles),
        "rate_index": header.rate_index,
        "rate_offsets": [min(offsets), max(offsets)],
        "quality": _quality(manifest, header.rate_index),
        "halo": header.halo,
        "fusion": header.fusion,
        "entropy_profile": header.entropy_profile,
        "identity": header.identity.hex(),
        "needs_models": needs_set,
        "models": manifest.name if manifest else None,
        "pixels": header.has_pixels,
        "features": describe_streams(reader, models),
        "chunks": [{"type": kind.decode("ascii"), "bytes": len(data)} for kind, data in reader.ancillary],
        "preview": _preview(reader),
        "alpha_bytes": len(reader.alpha) if reader.alpha is not None else 0,
        "metadata": _metadata(reader),
    }


def _preview(reader: Reader) -> dict[str, Any] | None:
    """Format, sides and bytes of the stored preview; None without one, or where it cannot be used."""
    data = reader.chunks.get(PREV)
    if data is None:
        return None
    from texcodec.images import PreviewError, preview_size

    try:
        image_format, width, height = preview_size(data, reader.header.width, reader.header.height)
    except PreviewError:
        return None
    return {"format": image_format, "width": width, "height": height, "bytes": len(data)}


def _crop(reader: Reader) -> dict[str, Any] | None:
    """The region that the file was cropped to; None without one, or where what it says cannot be."""
    try:
        crop = reader.crop
    except CorruptError:
        return None
    return None if crop is None else {"region": list(crop.region), "outside": crop.outside}


def _manifest_of(identity: bytes, models: str | None) -> PictureManifest | None:
    """The manifest of a set with this decoder, if one is found; damaged sets count as not found."""
    from texcodec.errors import ModelError
    from texcodec.registry import PICTURES, find_set, kind_of_set, list_sets
    from texcodec.registry.picture_manifest import read_manifest

    folders = [info.path for info in list_sets() if info.kind == PICTURES]
    if models is not None and kind_of_set(models) == PICTURES:
        folders.insert(0, find_set(models))
    for folder in folders:
        try:
            manifest = read_manifest(folder)
        except ModelError:
            continue
        if manifest.identity.startswith(identity.hex()):  # compact files name its first bytes
            return manifest
    return None


def _quality(manifest: PictureManifest | None, rate_index: int) -> int | None:
    """The quality whose rate index comes nearest."""
    if manifest is None:
        return None
    distance = [abs(index - rate_index) for index in manifest.qualities]
    return 1 + distance.index(min(distance))


def _metadata(reader: Reader) -> dict[str, Any]:
    """Bytes of each kind of metadata, and the JSON of a text chunk."""
    chunks = reader.chunks
    found: dict[str, Any] = {name: len(chunks[kind]) for kind, name in _METADATA.items() if kind in chunks}
    if TEXT in chunks:
        try:
            found["text"] = json.loads(chunks[TEXT])
        except (ValueError, RecursionError):
            found["text"] = None  # not JSON; its size is among the chunks
    return found


def _as_text(facts: dict[str, Any]) -> str:
    lines = {
        "picture": f"{facts['width']} x {facts['height']}, {facts['mode'] if facts['pixels'] else 'without pixels'}"
    }
    lines["file"] = f"{facts['bytes']} bytes, {facts['bits_per_pixel']:.3f} bits per pixel"
    if facts["pixels"]:
        lines["file"] += f", {facts['container_bytes']} bytes beside the tiles"
    lines["format"] = f"version {facts['format_version']}" + (", lean" if facts["lean"] else "")
    if facts["tiles"] or facts["absent_tiles"]:
        lines["tiles"] = _tiles_line(facts)
    if "tiles" in lines and not facts["needs_models"]:
        lines["models"] = "none needed"
    elif "tiles" in lines:
        lines["rate"] = _rate_line(facts)
        halo = f"halo {facts['halo']} (latents per side)" if facts["halo"] else "no halo"
        lines["decoder"] = halo + (", fusion" if facts["fusion"] else ", no fusion")
        lines["models"] = f"{facts['models'] or 'not installed'}, identity {facts['identity']}"
    if facts["crop"]:
        x, y, width, height = facts["crop"]["region"]
        rest = {"drop": "left out", "coarse": "coded coarsely"}[facts["crop"]["outside"]]
        lines["crop"] = f"{width} x {height} at {x},{y}; the tiles outside are {rest}"
    if facts["alpha_bytes"]:
        lines["alpha"] = f"{facts['alpha_bytes']} bytes, lossless"
    for number, stream in enumerate(facts["features"], start=1):
        lines["features" if number == 1 else f"features {number}"] = stream_line(stream)
    if facts["preview"]:
        small = facts["preview"]
        lines["preview"] = f"{small['width']} x {small['height']}, {small['format']}, {small['bytes']} bytes"
    lines["metadata"] = _metadata_line(facts)
    return in_columns(facts["file"], lines)


def _tiles_line(facts: dict[str, Any]) -> str:
    line = f"{facts['tiles']} of {facts['tile']} x {facts['tile']} pixels"
    line += f" in {facts['columns']} x {facts['rows']}"
    if facts["absent_tiles"]:
        line += f", {facts['absent_tiles']} left out"
    used = [entry for entry in facts["classes"] if entry["tiles"]]
    names = [f"{entry['tiles']} {entry['name'] or 'of class ' + str(entry['class'])}" for entry in used]
    drawn = facts["drawn_tiles"]
    if drawn["tiles"]:
        names.append(f"{drawn['tiles']} drawn ({drawn['lossless'] or 'none'} without loss)")
    return line + (f": {', '.join(names)}" if names else "")


def _rate_line(facts: dict[str, Any]) -> str:
    low, high = facts["rate_offsets"]
    line = f"index {facts['rate_index']}"
    line += f", tiles {low:+d} to {high:+d}" if low or high else ""
    return line + (f" (quality {facts['quality']})" if facts["quality"] else "")


def _metadata_line(facts: dict[str, Any]) -> str:
    parts = []
    for name, value in facts["metadata"].items():
        if name == "preview" and facts["preview"]:
            continue  # it has a line of its own
        parts.append(f"{name} {json.dumps(value)}" if name == "text" else f"{name} {value} bytes")
    known = {kind.decode("ascii") for kind in (*_METADATA, TEXT, CROP)}
    if facts["features"]:
        known |= {FEAT.decode("ascii"), FEAT_ANCILLARY.decode("ascii")}
    parts += [f"{c['type']} {c['bytes']} bytes" for c in facts["chunks"] if c["type"] not in known]
    return ", ".join(parts) or "none"
