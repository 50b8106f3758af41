"""Floor 0: the code that runs every stage. It cannot change a result, so an edit reruns nothing."""
