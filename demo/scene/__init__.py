"""The synthetic surveillance scenes of the demo, which the pipeline runs on by default."""
