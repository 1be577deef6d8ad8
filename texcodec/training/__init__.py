"""Training of all that the tool runs: ``pictures`` (model sets), ``features`` and ``crop``, on a shared ``core``.

The released tool needs none of it, nor torch (docs/background/design.md).
"""
