"""What all trainings share: the loop, optimisers, schedules, the search for a rate."""
