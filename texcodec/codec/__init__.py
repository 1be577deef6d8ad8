"""Encoder and decoder: the only place where tiles, networks, entropy coding and container meet."""

from .decode import TcxFile, decode, open
from .encode import encode

__all__ = ["TcxFile", "decode", "encode", "open"]
