"""The training of a vision transformer by self-distillation."""
