"""A codec with more networks from one with fewer: the new ones start without effect, so it is the same function."""

from __future__ import annotations

from pathlib import Path

from ...errors import ParameterError
from .architecture import Architecture
from .codec import Codec
from .pieces import find_checkpoint
from .work_folder import codec_of


def grown_codec(folder: Path, architecture: Architecture) -> Codec:
    """A codec of ``architecture`` with the averaged weights of the open training in ``folder``.

    Raises:
        ParameterError: there is no checkpoint in the folder, or its networks are no part of those asked for.
        ValueError: the checkpoint is damaged.
    """
    found = find_checkpoint(folder)
    if found is None:
        raise ParameterError(
            f"There is no checkpoint in {folder} to begin with; name the folder of an open training."
        )
    known = codec_of(found.read(), folder).state_dict()
    codec = Codec(architecture)
    own = codec.state_dict()
    lost = sorted(known.keys() - own.keys())
    changed = sorted(k for k in known.keys() & own.keys() if known[k].shape != own[k].shape)
    if lost or changed:
        what = [*(f"{k} would be lost" for k in lost), *(f"{k} has another size" for k in changed)]
        raise ParameterError(
            f"The codec in {folder} cannot become one of these sizes ({'; '.join(what[:3])}"
            f"{'; and more' if len(what) > 3 else ''}); change the architecture with --settings."
        )
    codec.load_state_dict(own | known)
    return codec
