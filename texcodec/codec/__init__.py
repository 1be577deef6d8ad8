"""Encoder and decoder: the only place where tiles, networks, entropy coding and container meet.

encode   cropping -> layout -> analysis -> coders (quantise, write) -> container
decode   container -> requirements -> coders (read) -> reconstruction
"""

from .arrays import imread, imwrite
from .encode import encode
from .file import TcxFile, decode, open

__all__ = ["TcxFile", "decode", "encode", "imread", "imwrite", "open"]
