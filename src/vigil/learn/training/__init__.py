"""Code for all trainings: the loop, optimisers and learning-rate schedules."""
