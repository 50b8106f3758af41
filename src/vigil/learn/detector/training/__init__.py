"""What training one means."""
