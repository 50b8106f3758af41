"""The alarm as files that run without torch."""
