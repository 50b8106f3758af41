"""How OpenMP threads wait for each other: without spinning, wherever nobody asked for another way.

A thread that spins holds a core that the thread it waits for could have: beside other programs, a
training step takes a multiple of its share (`python benchmarks/run.py busy`). It changes no result.
OpenMP reads its environment when it is loaded, so this is imported before torch is.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
