"""Files and pipes: inputs read whole, outputs that are complete or not there, and their names.

``-`` stands for standard input or output wherever a path is taken.
"""

from .atomic import TEMPORARY_SUFFIX, check_output, is_special, sync_all, write_atomically
from .names import STANDARD_STREAM, decoded_name, encoded_name, full_decoded_name, full_encoded_name
from .orphans import end_with_parent
from .streams import write_output

__all__ = [
    "STANDARD_STREAM",
    "TEMPORARY_SUFFIX",
    "check_output",
    "decoded_name",
    "encoded_name",
    "end_with_parent",
    "full_decoded_name",
    "full_encoded_name",
    "is_special",
    "sync_all",
    "write_atomically",
    "write_output",
]
