"""The alarm for behaviour that is not allowed."""
