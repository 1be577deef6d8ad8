"""The samples of a WebDataset tar: files of one key, which ends at the first dot of the name, lie side by side."""

from __future__ import annotations

import posixpath
import tarfile
from collections.abc import Iterator

from ..errors import FormatError, LimitError, TexcodecError
from ..images import names_readable_picture
from ..limits import Limits
from .keys import safe_key
from .storage import opened
from .work import Load


def samples(tar: str, prefix: str, limits: Limits) -> Iterator[Load]:
    """The samples of a tar that hold a picture, in its order.

    Args:
        tar: path or URL.
        prefix: of keys, so that two tars have no key in common.

    Raises:
        FormatError: it is no tar, or ends too early.
        LimitError: the files of a sample are longer than ``limits.memory``.
    """
    key: str | None = None
    files: dict[str, bytes] = {}
    try:
        with opened(tar) as file, tarfile.open(fileobj=file, mode="r|*") as opened_tar:
            for member in opened_tar:
                if not member.isfile():
                    continue
                folder, name = posixpath.split(member.name)
                stem, _, extension = name.partition(".")
                at = posixpath.join(folder, stem)
                if at != key:
                    yield from _sample(tar, prefix, key, files)
                    key, files = at, {}
                if member.size + sum(map(len, files.values())) > limits.memory:
                    raise LimitError(
                        f"{member.name} in {tar} is longer than {limits.memory} bytes, by itself or with what it "
                        "belongs to."
                    )
                content = opened_tar.extractfile(member)
                files[extension] = content.read() if content is not None else b""
    except TexcodecError:
        raise
    # headers of sparse files and of other numbers raise plain errors of values
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        raise FormatError(f"{tar} is no sound tar ({error}).", advice="Get another copy of it.") from error
    yield from _sample(tar, prefix, key, files)


def _sample(tar: str, prefix: str, key: str | None, files: dict[str, bytes]) -> Iterator[Load]:
    pictures = [extension for extension in files if names_readable_picture(f"x.{extension}")]
    if key is None or not pictures:
        return
    extra = tuple((e, data) for e, data in files.items() if e not in pictures)
    for extension in pictures:
        name = safe_key(key if len(pictures) == 1 else f"{key}-{extension.replace('.', '-')}")
        yield Load(f"{prefix}/{name}", f"{tar}::{key}.{extension}", files[extension], extra)
