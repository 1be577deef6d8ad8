"""The learned crop: which part of a fixed camera's pictures a task needs (docs/crop.md).

    labelled pictures -> labels -> training (chains + network) -> profile -> region -> encoder

Only ``chains``, ``network`` and ``training`` need torch.
"""

from .profile import Profile, read_profile, write_profile

__all__ = ["Profile", "read_profile", "write_profile"]
