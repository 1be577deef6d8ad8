"""The processors that files are decoded on: this machine's, and those that QEMU models."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Processor:
    """A processor.

    Attributes:
        machine: as ``uname -m`` has it there.
        model: QEMU's name of it; empty for this machine's own.
        what: in a few words, for the table.
    """

    machine: str
    model: str
    what: str

    @property
    def name(self) -> str:
        return self.model or "this machine"

    @property
    def emulated(self) -> bool:
        return bool(self.model)

    def command(self, root: str = "/") -> list[str]:
        """What stands before a command that runs on it, whose libraries are below ``root``."""
        if not self.emulated:
            return []
        program = f"qemu-{self.machine}"
        if shutil.which(program) is None:
            sys.exit(f"{program} is not installed: on Debian, apt-get install qemu-user")
        return [program, "-cpu", self.model, *(["-L", root] if root != "/" else [])]


PROCESSORS = (
    Processor(platform.machine(), "", "not emulated"),
    Processor("x86_64", "Nehalem", "2008, SSE4.2, no AVX"),
    Processor("x86_64", "SandyBridge", "2011, AVX"),
    Processor("x86_64", "Haswell", "2013, AVX2, FMA"),
    Processor("x86_64", "EPYC-Milan", "2021, AVX2, FMA, VAES"),
    Processor("x86_64", "Icelake-Server", "2019, without AVX-512, which QEMU lacks"),
    Processor("x86_64", "max", "all that QEMU has"),
    Processor("aarch64", "cortex-a53", "2012, ARMv8.0"),
    Processor("aarch64", "cortex-a72", "2015, ARMv8.0"),
    Processor("aarch64", "neoverse-n1", "2019, ARMv8.2, half precision, dot products"),
    Processor("aarch64", "a64fx", "2019, SVE of 512 bits"),
    Processor("aarch64", "max", "all that QEMU has, SVE2 among it"),
)
"""Of each kind the oldest first. Of x86-64, QEMU models all that onnxruntime has kernels for but AVX-512."""


def emulator() -> str:
    """The version of QEMU; empty without it."""
    if shutil.which("qemu-x86_64") is None:
        return ""
    text = subprocess.run(["qemu-x86_64", "-version"], capture_output=True, text=True, check=True).stdout
    return text.splitlines()[0].removeprefix("qemu-x86_64 version ")


CPUINFO = """processor\t: {number}
BogoMIPS\t: 100.00
Features\t: {features}
CPU implementer\t: {implementer}
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: {part}
CPU revision\t: 1

"""
_V8 = "fp asimd evtstrm aes pmull sha1 sha2 crc32"
_V82 = f"{_V8} atomics fphp asimdhp cpuid asimdrdm"
_ARM = {
    "cortex-a53": ("0x41", "0xd03", _V8),
    "cortex-a72": ("0x41", "0xd08", _V8),
    "neoverse-n1": ("0x41", "0xd0c", f"{_V82} lrcpc dcpop asimddp ssbs"),
    "a64fx": ("0x46", "0x001", f"{_V82} fcma dcpop sve"),
    "max": (
        "0x00",
        "0x051",
        f"{_V82} jscvt fcma lrcpc dcpop sha3 sm3 sm4 asimddp sha512 sve asimdfhm sve2 svei8mm svebf16 i8mm bf16",
    ),
}


def cpuinfo(processor: Processor, count: int = 4) -> str:
    """What ``/proc/cpuinfo`` says on a processor for aarch64.

    QEMU 7.2 shows that of the machine it runs on, at which onnxruntime 1.32 crashes when it is imported.
    """
    implementer, part, features = _ARM[processor.model]
    return "".join(
        CPUINFO.format(number=number, features=features, implementer=implementer, part=part)
        for number in range(count)
    )
