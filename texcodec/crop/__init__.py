"""The learned crop: which part of a fixed camera's pictures a task needs (docs/guides/crop.md).

    labelled pictures -> labels -> texcodec.training.crop -> profile -> region -> encoder

Nothing in here needs torch.
"""

from .profile import Profile, read_profile, write_profile

__all__ = ["Profile", "read_profile", "write_profile"]
