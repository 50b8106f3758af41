"""Floor 3: everything that imports torch; how its threads wait is said before it is loaded."""

import vigil.plumbing.waiting
