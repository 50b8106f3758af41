"""What training it means."""
