"""Portable functions of torch: as numpy's, in all forms that torch has of them."""

import subprocess
import sys

SCRIPT = """
import numpy as np
import torch

from vigil.learn.networks.portable import FUNCTIONS, use_portable_functions

use_portable_functions()
use_portable_functions()  # a second time changes nothing
values = torch.rand(20_001) * torch.logspace(-9, 0, 20_001)
for name, function in FUNCTIONS.items():
    own = getattr(torch, name)
    expected = torch.from_numpy(function(values.numpy()))
    assert torch.equal(own(values), expected), name
    assert torch.equal(own(values.double()), torch.from_numpy(function(values.double().numpy())))
    assert torch.equal(own(values.bfloat16()), own(values.bfloat16().float()).bfloat16())
    assert torch.equal(getattr(values.clone(), f"{name}_")(), expected)
    assert torch.equal(own(values, out=torch.empty(0)), expected)
    strided = values[:20_000].view(100, 200).T
    assert torch.equal(own(strided), own(strided.contiguous()))
    assert own(torch.tensor(0.25)).shape == () and own(torch.ones(3, 0)).shape == (3, 0)
    assert own(torch.tensor([1])).dtype == torch.float32
    point = torch.tensor([0.3], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(own, [point])
assert torch.equal(torch._foreach_sqrt([values])[0], torch.from_numpy(np.sqrt(values.numpy())))
assert torch.tensor(-1.0).sqrt().isnan()
"""


def test_functions_are_those_of_numpy():
    """In a process of its own, since functions are replaced for good."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
