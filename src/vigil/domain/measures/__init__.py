"""How good each branch's predictions are."""
