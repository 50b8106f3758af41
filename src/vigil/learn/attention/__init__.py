"""What a self-supervised vision transformer attends to, on pictures and videos."""
