"""Floor 4: evaluates trained models from tables of predictions: metrics, curves, sheets."""
