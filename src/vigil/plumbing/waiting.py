"""Makes OpenMP threads wait for each other without spinning, unless the user chose another policy.

A spinning thread occupies a core that the thread it waits for could use. While other programs run,
a training step then takes several times its share (`python benchmarks/run.py busy`). The policy
changes no result. OpenMP reads its environment when it is loaded, so import this before torch.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
