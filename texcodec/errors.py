"""Everything texcodec raises on purpose, split by who is at fault.

    TexcodecError                     exit code 1
      StreamError                     1   reading or writing bytes failed (the machine)
        OutputExistsError             1   the output is there already
      FormatError                     1   the .tcx file is at fault
        NotTcxError                   1   wrong signature, or one that a text-mode transfer damaged
        TruncatedError                1   the file ends too early
        ChecksumError                 1   bytes or symbols do not match their checksum
        CorruptError                  1   checksums hold, but fields contradict each other
        UnsupportedError              4   a version, critical chunk or profile this version does not know
      ParameterError (ValueError)     2   the caller is at fault
        ParameterTypeError (TypeError) 2  an argument is of a kind that is not accepted
      TargetError (ValueError)        1   the size, rate or PSNR that was asked for cannot be had of this picture
      LimitError                      4   a declared size is over a limit (texcodec.limits)
      ModelError                      3   the model set is at fault
        ModelNotFoundError            3   no such set, or not the one that the file names
        ModelDamagedError             3   a set that does not match its manifest
      LibraryError                    1   a library lacks what is needed (the installation)
      ImageError                      1   the input picture is unreadable, empty or of an unsupported kind
      TensorError                     1   the input tensor is unreadable, of another shape than asked for, or not finite

A message states the fault in one sentence; the ``advice`` of its class says what to do about it.
"""

from __future__ import annotations

__all__ = [
    "ChecksumError",
    "CorruptError",
    "FormatError",
    "ImageError",
    "LibraryError",
    "LimitError",
    "ModelDamagedError",
    "ModelError",
    "ModelNotFoundError",
    "NotTcxError",
    "OutputExistsError",
    "ParameterError",
    "ParameterTypeError",
    "StreamError",
    "TargetError",
    "TensorError",
    "TexcodecError",
    "TexcodecWarning",
    "TruncatedError",
    "UnsupportedError",
]


class TexcodecError(Exception):
    """Base of all errors raised on purpose.

    Attributes:
        exit_code: what the command line returns for it.
        advice: what to do about it, one sentence or none; the command line prints it after the fault.
    """

    exit_code: int = 1
    advice: str = ""

    def __init__(self, fault: str = "", *, advice: str | None = None) -> None:
        super().__init__(fault)
        if advice is not None:
            self.advice = advice

    @property
    def with_advice(self) -> str:
        """Fault and advice in one text."""
        return f"{self} {self.advice}".rstrip()


class TexcodecWarning(UserWarning):
    """Something other than what was asked for: a target out of reach, a conversion of the picture, damage.

    Issued with ``warnings.warn`` wherever no ``warn`` callback is given.
    """


class StreamError(TexcodecError):
    """Reading or writing bytes failed: a closed pipe, a full disk, a permission."""


class OutputExistsError(StreamError):
    """The output is there already, and replacing it was not asked for."""

    advice = "Replace it with --force."


class FormatError(TexcodecError):
    """The ``.tcx`` file cannot be decoded as it stands (docs/format.md)."""

    advice = "Get another copy of the file, or salvage its sound tiles."


class NotTcxError(FormatError):
    """The file does not begin with the ``.tcx`` signature."""

    advice = "Check the name of the file, and that it was copied in binary mode."


class TruncatedError(FormatError):
    """The file ends before it says it should."""

    advice = "Get a complete copy of the file, or salvage its sound tiles."


class ChecksumError(FormatError):
    """A chunk, a tile's bytes or a tile's decoded symbols do not match the checksum stored with them."""


class CorruptError(FormatError):
    """The checksums hold but fields are impossible, contradict each other, or are followed by other bytes."""


class UnsupportedError(FormatError):
    """The file is (as far as one can tell) sound but needs a newer version of texcodec."""

    exit_code = 4
    advice = "Use a newer version of texcodec."


class ParameterError(TexcodecError, ValueError):
    """An argument is out of its range or contradicts another one."""

    exit_code = 2


class ParameterTypeError(ParameterError, TypeError):
    """An argument is of a type that is not accepted; the message names those that are."""


class TargetError(TexcodecError, ValueError):
    """The size, rate or PSNR that was asked for is out of reach for this picture and model set."""

    advice = "Ask for another one, or take the nearest with --nearest."


class LimitError(TexcodecError):
    """A declared size is larger than the caller's ``Limits`` allow; nothing was allocated for it."""

    exit_code = 4
    advice = "Raise the limit if the file is trusted."


class ModelError(TexcodecError):
    """The model set that is needed cannot be used."""

    exit_code = 3


class ModelNotFoundError(ModelError):
    """No model set of that name or identity was found."""


class ModelDamagedError(ModelError):
    """A model set was found but its contents do not match its manifest."""

    advice = "Put a sound copy of the set in its place, or install texcodec again if the set came with it."


class LibraryError(TexcodecError):
    """A library that texcodec uses was built without something that is needed: the installation is at fault."""

    advice = "Install a current Pillow from PyPI."


class ImageError(TexcodecError):
    """The input picture is unreadable, empty or of a kind that is not supported (16 bits per channel)."""


class TensorError(TexcodecError):
    """The input tensor is unreadable, has a shape that does not fit its task, or holds NaN or infinities."""


def check(sound: bool, sentence: str) -> None:
    """Refuse an argument or setting of the caller.

    Raises:
        ParameterError: with ``sentence``, if it is not ``sound``.
    """
    if not sound:
        raise ParameterError(sentence)
