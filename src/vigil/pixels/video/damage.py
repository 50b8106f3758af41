"""The errors for damage that decoders and containers tell of, and go on."""

from vigil.plumbing.errors import InputError


class DamagedFrameError(InputError):
    """A frame in which the decoder concealed damage, or a container that may lack frames."""
