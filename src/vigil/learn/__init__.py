"""Floor 3: everything that imports torch. How its threads wait is set before torch is imported."""

import vigil.plumbing.waiting
