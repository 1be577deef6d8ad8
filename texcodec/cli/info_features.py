"""What ``texcodec info`` says of the feature streams in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from texcodec.container import FeatureStream, Reader, unpack_stream
from texcodec.errors import CorruptError, ModelError

if TYPE_CHECKING:
    from texcodec.registry.feature_manifest import FeatureManifest


def describe_streams(reader: Reader, models: str | None = None) -> list[dict[str, Any]]:
    """The feature streams for ``info --json``; those whose fields cannot be are left out.

    Args:
        reader: of the file.
        models: a feature set to look into, beside those that are found by themselves.
    """
    found = []
    for payload in reader.features:
        try:
            stream = unpack_stream(payload)
        except CorruptError:
            continue  # as an unknown chunk: listed, not described
        found.append(_describe(stream, len(payload), _manifest_of(stream.identity, models)))
    return found


def _describe(stream: FeatureStream, size: int, manifest: FeatureManifest | None) -> dict[str, Any]:
    names = {task.identifier: task.name for task in manifest.stream_tasks} if manifest else {}
    return {
        "identity": stream.identity.hex(),
        "models": manifest.name if manifest else None,
        "level": stream.level,
        "levels": manifest.levels if manifest else None,
        "tasks": [
            {
                "name": names.get(task.identifier),
                "identifier": task.identifier,
                "width": task.width,
                "height": task.height,
            }
            for task in stream.tasks
        ],
        "later_tasks": [task.name for task in manifest.tasks if not task.stream] if manifest else [],
        "bytes": size,
        "payload_bytes": len(stream.payload),
    }


def stream_line(facts: dict[str, Any]) -> str:
    """One stream in words."""
    tasks = [
        f"{task['name'] or 'task ' + format(task['identifier'], '04x')} {task['width']} x {task['height']}"
        for task in facts["tasks"]
    ]
    line = f"{', '.join(tasks)}; {facts['bytes']} bytes, level {facts['level']}"
    if facts["levels"]:
        line += f" of 0 to {facts['levels'] - 1}"
    line += f"; {facts['models'] or 'set not installed'}, identity {facts['identity']}"
    return line + (f"; serves {', '.join(facts['later_tasks'])} too" if facts["later_tasks"] else "")


def _manifest_of(identity: bytes, models: str | None) -> FeatureManifest | None:
    """The manifest of a feature set with this identity, if one is found; damaged sets count as not found."""
    from texcodec.registry import FEATURES, find_set, kind_of_set, list_sets
    from texcodec.registry.feature_manifest import read_feature_manifest

    folders = [info.path for info in list_sets() if info.kind == FEATURES]
    if models is not None and kind_of_set(models) == FEATURES:
        folders.insert(0, find_set(models, FEATURES))
    for folder in folders:
        try:
            manifest = read_feature_manifest(folder)
        except ModelError:
            continue
        if manifest.identity == identity.hex():
            return manifest
    return None
