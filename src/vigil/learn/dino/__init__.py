"""Self-distillation: a vision transformer that learns from unlabelled frames."""
