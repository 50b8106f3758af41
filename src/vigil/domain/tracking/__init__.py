"""From boxes in pictures to the same object's boxes over time."""
