"""Floor 4: what trained models are worth, by tables of predictions: numbers, curves, sheets."""
