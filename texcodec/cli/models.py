"""``texcodec models``: the model sets that are there, what they are, and whether they are sound."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from texcodec.cli.console import Console, emit, in_columns, printable
from texcodec.cli.inputs import process
from texcodec.errors import ModelError

if TYPE_CHECKING:
    from texcodec.registry import FeatureSet, ModelSet

_CARD_WIDTH = 100
# The networks that work while decoding and while encoding, by their names in ModelSet.macs.
_PARTS = {
    "decode": ("synthesis", "entropy", "fusion"),
    "encode": ("analysis", "hyper_analysis", "entropy"),
}


@click.group("models", short_help="List, show and check model sets.")
def command() -> None:
    """List, show and check the model sets that texcodec finds.

    A set is named by its name or its folder. Sets come with texcodec, or lie in the folder that the
    environment variable TEXCODEC_MODELS names.
    """


@command.command("list", short_help="List the model sets that are found.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def list_command(as_json: bool) -> int:
    """List the model sets that are found, for pictures and for features. Those that are used by default have a star."""
    from texcodec.registry import FEATURES, PICTURES, find_set, list_sets

    defaults = set()
    for kind in (PICTURES, FEATURES):
        with suppress(ModelError):
            defaults.add(find_set(kind=kind).resolve())
    sets = [
        {
            "name": info.name,
            "identity": info.identity,
            "released": info.released,
            "kind": info.kind,
            "default": info.path.resolve() in defaults,
            "encodes": info.encodes,
            "path": str(info.path),
        }
        for info in list_sets()
    ]
    if as_json:
        emit(json.dumps(sets))
        return 0
    names = [printable(str(entry["name"])) for entry in sets]
    width = max(map(len, names), default=0)
    for name, entry in zip(names, sets):
        star = "*" if entry["default"] else " "
        released = "released  " if entry["released"] else "unreleased"
        kind = str(entry["kind"]).ljust(8)
        path = printable(str(entry["path"]))
        encodes = "" if entry["encodes"] else "  (decodes only)"
        emit(f"{star} {name.ljust(width)}  {kind}  {released}  {entry['identity']}  {path}{encodes}")
    return 0


@command.command("show", short_help="Show what a model set is.")
@click.argument("name", required=False, metavar="[NAME_OR_DIR]")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
def show_command(name: str | None, as_json: bool) -> int:
    """Show a model set: its classes, its card, and what its networks cost; of a feature set its sizes and tasks.

    Costs are thousand multiply-accumulates per pixel (kMAC/pixel) of a large picture, halo and fusion
    included. Without a name, the default set is shown. Nested entries of the card, such as the settings of its
    training, are printed with --json only.
    """
    from texcodec.registry import FEATURES, kind_of_set, load_feature_set, load_set

    if name is not None and kind_of_set(name) == FEATURES:
        features = load_feature_set(name)
        emit(json.dumps(_feature_facts(features)) if as_json else _features_as_text(features))
        return 0
    facts = _facts(load_set(name))
    emit(json.dumps(facts) if as_json else _as_text(facts))
    return 0


@command.command("verify", short_help="Check whether model sets are sound.")
@click.argument("names", nargs=-1, metavar="[NAME_OR_DIR]...")
def verify_command(names: tuple[str, ...]) -> int:
    """Check every array, table and network of model sets against their manifests.

    Without names, all sets that are found are checked.
    """
    from texcodec.registry import FEATURES, kind_of_set, list_sets, load_feature_set, load_set

    if not names:
        names = tuple(str(info.path) for info in list_sets())
        if not names:
            raise ModelError("There is no model set to check; install texcodec again.")

    def verify_one(name: str) -> None:
        models = load_feature_set(name) if kind_of_set(name) == FEATURES else load_set(name)
        models.verify()
        emit(f"{printable(models.name)}: ok{'' if models.encodes else ' (decodes only)'}")

    return process(Console(quiet=True), names, verify_one)


def _facts(models: ModelSet) -> dict[str, Any]:
    """What ``models show --json`` prints."""
    manifest = dataclasses.asdict(models.manifest) | {"tune": models.manifest.tune}
    card = manifest.pop("card")
    del manifest["macs"]
    facts = {
        "path": str(models.folder),
        "encodes": models.encodes,
        "bytes": models.file_bytes,
        "kmac_per_pixel": models.macs(),
        "card": card,
    }
    return {**manifest, **facts}


def _as_text(facts: dict[str, Any]) -> str:
    bounds = ["0", *(f"{threshold:g}" for threshold in facts["thresholds"])]
    classes = [f"{name} from {bound}" for name, bound in zip(facts["classes"], bounds, strict=True)]
    lines = {
        "identity": facts["identity"],
        "folder": f"{facts['path']}, {facts['bytes']} bytes",
        "tuned for": f"{facts['tune']} (trained for {facts['distortion']})",
        "classes": f"{', '.join(classes)} (complexity of a tile)",
        "latents": f"{sum(facts['slices'])} channels in {len(facts['slices'])} slices, "
        f"{facts['hyper_channels']} hyper",
        "decoder": (f"halo {facts['halo']} (latents per side)" if facts["halo"] else "no halo")
        + (", fusion" if facts["fusion"] else ", no fusion"),
        "rates": f"index {facts['qualities'][0]} at quality 1 to {facts['qualities'][-1]} at quality 100",
    }
    costs = facts["kmac_per_pixel"]
    if not facts["encodes"]:
        lines["encoder"] = "none: the set decodes only"
    for task, parts in _PARTS.items():
        shares = [f"{part.replace('_', ' ')} {costs[part]:.2f}" for part in parts if costs.get(part)]
        lines[task] = f"{costs[task]:.2f} kMAC/pixel: {', '.join(shares)}"
    return in_columns(facts["name"], lines) + _card(facts["card"])


def _feature_facts(features: FeatureSet) -> dict[str, Any]:
    manifest = dataclasses.asdict(features.manifest)
    card = manifest.pop("card")
    return {
        "kind": "features",
        **manifest,
        "path": str(features.folder),
        "bytes": features.file_bytes,
        "card": card,
    }


def _features_as_text(features: FeatureSet) -> str:
    manifest = features.manifest
    height, width = manifest.grid
    lines = {
        "identity": manifest.identity,
        "folder": f"{features.folder}, {features.file_bytes} bytes",
        "latents": f"{manifest.latent_channels} channels, {manifest.hyper_channels} numbers of side information",
        "codebook": f"{manifest.codebook} maps of {width} x {height}, {manifest.groups} combinations",
        "levels": f"0 (smallest files) to {manifest.levels - 1}, {manifest.default_level} by default",
    }
    for task in manifest.tasks:
        stride = f", a position is {task.pixel_stride} pixels" if task.pixel_stride else ""
        ends = [end for end, there in (("front", task.front), ("tail", task.tail)) if there]
        lines[f"task {task.name}"] = (
            f"{task.kind}, {'' if task.stream else 'added later, '}features of {task.channels} channels{stride}; "
            f"{' and '.join(ends) or 'no network of its own'}"
        )
    return in_columns(manifest.name, lines) + _card(manifest.card)


def _card(card: Mapping[str, Any]) -> str:
    """What the set's maker wrote of it, without what is nested."""
    nested = [key for key, value in card.items() if isinstance(value, dict | list)]
    lines = {key.replace("_", " "): _plain(value) for key, value in card.items() if key not in nested}
    if nested:
        lines["also"] = f"{', '.join(nested)} (--json prints them)"
    return f"\n\n{in_columns('card', lines, width=_CARD_WIDTH)}" if lines else ""


def _plain(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
