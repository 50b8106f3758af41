"""How libraries compute: as fast as this CPU can, or in one way on every x86 CPU with AVX2.

Libraries choose their code by the CPU's instructions, and code for wider vectors adds in another
order. `VIGIL_ARITHMETIC=portable` fixes this choice, by the variables that the libraries read when
they are loaded. So Python is started again with these variables.
"""

import json
import os
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vigil.plumbing.errors import InputError, shorten

VARIABLE = "VIGIL_ARITHMETIC"
NATIVE, PORTABLE = "native", "portable"
KEY = "arithmetic"
"""Of the entry of a card or a record that names the arithmetic; native arithmetic has no entry."""
NUM_THREADS = "2"
"""The last bits of a sum depend on the number of threads, so it is fixed as well."""
VARIABLES = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_CBWR": "COMPATIBLE",
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL",
    "OPENCV_CPU_DISABLE": "AVX512-SKX",
    "OPENCV_IPP": "avx2",
    "VIGIL_THREADS": NUM_THREADS,
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), NUM_THREADS),
}
"""What torch, oneDNN, MKL, OpenBLAS, numpy and OpenCV read."""


CPU_FACTS = Path("/proc/cpuinfo")
"""Where Linux lists what the CPU can do."""


def is_portable() -> bool:
    """Whether `VIGIL_ARITHMETIC` is `portable`.

    Raises:
        InputError: there is no such arithmetic.
    """
    name = os.environ.get(VARIABLE, NATIVE)
    if name not in {NATIVE, PORTABLE}:
        raise InputError(f"{VARIABLE}: expected {NATIVE} or {PORTABLE}, got {shorten(name)}")
    return name == PORTABLE


def is_applied() -> bool:
    """Whether this process was started with the variables of portable arithmetic."""
    return all(os.environ.get(name) == value for name, value in VARIABLES.items())


def arithmetic_facts() -> dict[str, str]:
    """What results depend on besides their inputs; empty for native arithmetic."""
    return {KEY: PORTABLE} if is_portable() else {}


def arithmetic_of(card: Mapping[str, Any]) -> str:
    """The arithmetic that trained the model of a card."""
    training = card.get("training")
    own = training.get(KEY) if isinstance(training, Mapping) else None
    return str(own or card.get(KEY) or NATIVE)


def check_trained_alike(cards: Iterable[Path]) -> None:
    """Checks that models were trained with the arithmetic of `VIGIL_ARITHMETIC`, if it is set.

    DVC does not know the variable, so it may take models of the other arithmetic from its cache.
    Models that this project did not train are used as they are.

    Args:
        cards: of models; one that cannot be read is not checked here.

    Raises:
        InputError: a model of this project was trained with the other arithmetic, or there is no
            such arithmetic.
    """
    # Not before: this module is loaded where libraries may be missing.
    from vigil.plumbing.locked_files import noted_name, noted_outputs

    if not (others := trained_otherwise(cards)):
        return
    noted = noted_outputs()
    for card, found in others.items():
        if noted_name(card, noted):
            raise InputError(
                f"{card}: expected a model trained with {os.environ[VARIABLE]} arithmetic, as "
                f"{VARIABLE} says, got one of {found} arithmetic; dvc repro -f makes all results "
                "anew"
            )


def trained_otherwise(cards: Iterable[Path]) -> dict[Path, str]:
    """The cards of models with another arithmetic than `VIGIL_ARITHMETIC` names, and theirs.

    Empty if the variable is not set.

    Raises:
        InputError: there is no such arithmetic.
    """
    if VARIABLE not in os.environ:
        return {}
    asked, others = PORTABLE if is_portable() else NATIVE, {}
    for card in cards:
        try:
            content = json.loads(card.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            continue
        is_card = isinstance(content, Mapping) and "architecture" in content
        if is_card and (found := arithmetic_of(content)) != asked:
            others[card] = found
    return others


def use_arithmetic(words: Sequence[str]) -> None:
    """Restarts Python with the variables of portable arithmetic, if it is asked for.

    Args:
        words: the command line of Python.

    Raises:
        InputError: there is no such arithmetic, or this CPU cannot compute in this way.
    """
    if not is_portable() or is_applied():
        return
    if (machine := platform.machine()).lower() not in {"x86_64", "amd64"}:
        raise InputError(f"{VARIABLE}: expected an x86 CPU for {PORTABLE}, got {machine}")
    if not _has_avx2():
        raise InputError(f"{VARIABLE}: expected a CPU with AVX2 and FMA for {PORTABLE}, got none")
    if (threads := os.environ.get("VIGIL_THREADS", NUM_THREADS)) != NUM_THREADS:
        raise InputError(
            f"VIGIL_THREADS: expected {NUM_THREADS}, which {VARIABLE}={PORTABLE} fixes, got "
            f"{shorten(threads)}"
        )
    os.environ.update(VARIABLES)
    os.execv(sys.executable, [sys.executable, *words])


def _has_avx2() -> bool:
    """Whether the CPU has AVX2 and FMA, as far as the system tells."""
    if not CPU_FACTS.exists():
        return True
    return {"avx2", "fma"} <= set(CPU_FACTS.read_text().split())
