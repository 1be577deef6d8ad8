"""The codecs that are compared: RGB samples and a quality to the bytes of a file, and back.

A codec of Pillow's, or of a plug-in of it, is one entry of ``CODECS``.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from typing import Any

import numpy as np
import PIL
from PIL import Image, features

from .. import __version__
from ..codec import decode, encode
from ..codec.refinement import DEFAULT_EFFORT, can_correct
from ..errors import ParameterError
from ..registry import load_set


@dataclass(frozen=True)
class Codec:
    """A codec with all of its settings but the quality.

    Attributes:
        key: short and unique: for file names and options.
        name: for people.
        settings: what was chosen, as reports state it.
        version: of the libraries that do the work; for texcodec, of the model set too.
        qualities: at which it is measured, rising.
        encode: uint8 height x width x 3 and a quality -> a file without metadata.
        decode: a file -> uint8 height x width x 3.
        identity: codecs of one identity write the same files.
        about: more facts for the report; None but for texcodec.
    """

    key: str
    name: str
    settings: str
    version: str
    qualities: tuple[float, ...]
    encode: Callable[[np.ndarray, float], bytes]
    decode: Callable[[bytes], np.ndarray]
    identity: str
    about: dict[str, Any] | None = None

    @property
    def ours(self) -> bool:
        """Whether it is texcodec."""
        return self.about is not None


@dataclass(frozen=True)
class _Entry:
    """How Pillow is made to write a format.

    Attributes:
        find: returns versions, and raises ImportError where the format cannot be written here.
        install: what to do then.
        usual: whether it is measured where no codecs are named.
    """

    name: str
    settings: str
    qualities: tuple[int, ...]
    format: str
    options: dict[str, Any]
    find: Callable[[], str]
    install: str
    usual: bool = True


def _feature(name: str, library: str) -> Callable[[], str]:
    def find() -> str:
        if not features.check(name):
            raise ImportError(name)
        # for JPEG the compatible version of the interface is less telling than that of the library
        version = features.version("libjpeg_turbo" if name == "jpg" else name)
        return f"Pillow {PIL.__version__}, {library} {version}"

    return find


def _jxl() -> str:
    import pillow_jxl  # noqa: F401  registers itself

    return f"pillow-jxl-plugin {installed_version('pillow-jxl-plugin')}"


def _heic() -> str:
    import pillow_heif

    pillow_heif.register_heif_opener()
    about = pillow_heif.libheif_info()
    if not about["HEIF"]:
        raise ImportError("This build of libheif has no encoder.")
    return f"pillow-heif {pillow_heif.__version__}, libheif {about['libheif']}, {about['HEIF']}"


_PILLOW = "upgrade Pillow: pip install --upgrade Pillow"

CODECS: dict[str, _Entry] = {
    "jpeg": _Entry(
        "JPEG",
        "4:2:0, optimised, progressive",
        (5, 10, 20, 35, 50, 60, 70, 80, 85, 90),
        "JPEG",
        {"subsampling": "4:2:0", "optimize": True, "progressive": True},
        _feature("jpg", "libjpeg-turbo"),
        _PILLOW,
    ),
    "webp": _Entry(
        "WebP",
        "method 6",
        (1, 5, 20, 40, 60, 75, 85, 92),
        "WEBP",
        {"method": 6},
        _feature("webp", "libwebp"),
        _PILLOW,
    ),
    "avif": _Entry(
        "AVIF",
        "4:4:4, speed 4",
        (8, 15, 25, 35, 45, 55, 65, 75),
        "AVIF",
        {"subsampling": "4:4:4", "speed": 4},
        _feature("avif", "libavif"),
        _PILLOW,
    ),
    # libavif tunes for the eye by default
    "avif-psnr": _Entry(
        "AVIF, tuned for PSNR",
        "4:4:4, speed 4, tune=psnr",
        (8, 15, 25, 35, 45, 55, 65, 75),
        "AVIF",
        {"subsampling": "4:4:4", "speed": 4, "advanced": {"tune": "psnr"}},
        _feature("avif", "libavif"),
        _PILLOW,
        usual=False,
    ),
    "jxl": _Entry(
        "JPEG XL",
        "effort 7",
        (5, 10, 20, 30, 40, 50, 60, 70, 80, 85),
        "JXL",
        {"effort": 7},
        _jxl,
        "pip install pillow-jxl-plugin",
    ),
    "heic": _Entry(
        "HEIC",
        "x265, 4:4:4",
        (10, 15, 20, 25, 30, 35, 40, 45, 50, 60),
        "HEIF",
        {"chroma": "444"},
        _heic,
        "pip install pillow-heif",
    ),
}

USUAL = tuple(key for key, entry in CODECS.items() if entry.usual)

DEFAULT_QUALITIES = (5, *range(10, 91, 10))
"""Of texcodec."""


def find_codecs(names: Sequence[str], warn: Callable[[str], None]) -> list[Codec]:
    """The codecs of these names; ``warn`` is called for those that cannot run here, which are left out.

    Raises:
        ParameterError: a name that there is not.
    """
    found = {}
    for name in names:
        if name not in CODECS:
            known = ", ".join(CODECS)
            raise ParameterError(
                f"There is no codec named {name!r}; there are {known}, and none for no other."
            )
        entry = CODECS[name]
        try:
            version = entry.find()
        except ImportError:
            warn(f"{entry.name} cannot be written here and is left out; to have it: {entry.install}")
            continue
        found[name] = _of_pillow(name, entry, version)
    return list(found.values())


def _of_pillow(key: str, entry: _Entry, version: str) -> Codec:
    def encode_file(pixels: np.ndarray, quality: float) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, entry.format, quality=int(quality), **entry.options)
        return buffer.getvalue()

    def decode_file(data: bytes) -> np.ndarray:
        with Image.open(io.BytesIO(data)) as image:
            return np.asarray(image.convert("RGB"))

    return Codec(
        key,
        entry.name,
        entry.settings,
        version,
        entry.qualities,
        encode_file,
        decode_file,
        identity=f"{entry.name} | {entry.settings} | {version}",
    )


def our_codecs(
    sets: Sequence[str | None],
    qualities: Sequence[float] = DEFAULT_QUALITIES,
    *,
    effort: int = DEFAULT_EFFORT,
    threads: int | None = None,
) -> list[Codec]:
    """texcodec with each of the model sets.

    Args:
        sets: names or folders; None is the default set.
        effort: of encoding.
        threads: of every call; default: the cores this process may use.
    Raises:
        ModelError: a set is missing or damaged.
        ParameterError: a set is given twice.
    """
    loaded = [load_set(name) for name in sets]
    names = [models.name for models in loaded]
    codecs: list[Codec] = []
    for given, models in zip(sets, loaded):
        # two sets may have one name in different folders
        label = models.name if names.count(models.name) == 1 or given is None else given
        name = f"texcodec ({label})"
        if name in (codec.name for codec in codecs):
            raise ParameterError(f"The model set {label} is given twice; give every set once.")

        def encode_file(pixels: np.ndarray, quality: float, models: Any = models) -> bytes:
            return encode(
                pixels, quality=quality, models=models, effort=effort, metadata=False, threads=threads
            )

        def decode_file(data: bytes, models: Any = models) -> np.ndarray:
            return np.asarray(decode(data, models=models, threads=threads))

        macs = models.macs()
        about = {
            "set": label,
            "classes": models.classes,
            "identity": models.identity.hex(),
            "kmac_per_pixel": {part: round(macs[part], 2) for part in ("encode", "decode")},
            "card": dict(models.manifest.card),
        }
        # the manifest holds the hashes of all networks, the thresholds and the scale of qualities
        manifest = hashlib.sha256((models.folder / "manifest.json").read_bytes()).hexdigest()
        effort_of = f", effort {effort}" if can_correct(models) else ""
        codecs.append(
            Codec(
                "texcodec" if len(sets) == 1 else f"texcodec-{len(codecs) + 1}",
                name,
                f"model set {label}{effort_of}",
                f"texcodec {__version__}, decoder {models.identity.hex()[:12]}",
                tuple(qualities),
                encode_file,
                decode_file,
                identity=f"texcodec {__version__} | {manifest}{effort_of}",
                about=about,
            )
        )
    return codecs
