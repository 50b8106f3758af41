"""What arithmetic a machine is given."""

import pytest
import torch
from tiny_settings import fitting
from torch import nn

from vigil.learn.networks.machine import choose_precision, describe_machine, has_bfloat16
from vigil.learn.training.loop import build_trainer

CPU, GPU = torch.device("cpu"), torch.device("cuda")
NEITHER = {"avx512_bf16": False, "amx_bf16": False}


@pytest.fixture
def cpu(monkeypatch: pytest.MonkeyPatch):
    def give(vectors: str, **units: bool) -> None:
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: vectors)
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {**NEITHER, **units})

    return give


@pytest.mark.parametrize(
    ("vectors", "units", "expected"),
    [
        ("AVX512", {"avx512_bf16": True}, "bf16-mixed"),
        ("AVX512", {"amx_bf16": True}, "bf16-mixed"),
        ("AVX512", {}, "32-true"),
        ("AVX2", {"avx512_bf16": True}, "32-true"),  # as ATEN_CPU_CAPABILITY has it
        ("DEFAULT", {}, "32-true"),
    ],
)
def test_auto_is_bfloat16_only_where_a_cpu_has_units_for_it(cpu, vectors, units, expected):
    cpu(vectors, **units)
    assert choose_precision("auto", CPU) == expected
    assert describe_machine()["has_bfloat16"] == (expected == "bf16-mixed")


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), "32-true"), ((8, 0), "bf16-mixed")])
def test_auto_is_bfloat16_on_gpus_from_ampere_on(monkeypatch, capability, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    assert choose_precision("auto", GPU) == expected


@pytest.mark.parametrize("asked", ["32-true", "bf16-mixed", "16-mixed"])
def test_what_is_asked_for_by_name_is_taken(cpu, asked):
    cpu("AVX2")
    assert choose_precision(asked, GPU) == asked
    # What a GPU learnt in 16 bits is used in more where there are none.
    assert choose_precision(asked, CPU) == {"16-mixed": "32-true"}.get(asked, asked)


def test_what_this_cpu_tells_of_itself_is_understood():
    assert isinstance(has_bfloat16(CPU), bool)


@pytest.mark.parametrize(
    ("units", "expected"), [({}, torch.float32), ({"avx512_bf16": True}, torch.bfloat16)]
)
def test_a_training_computes_in_it(cpu, units, expected):
    cpu("AVX512", **units)
    trainer = build_trainer(fitting(precision="auto"), [], enable_checkpointing=False)
    with trainer.precision_plugin.forward_context():
        assert nn.Linear(2, 2)(torch.ones(1, 2)).dtype == expected
