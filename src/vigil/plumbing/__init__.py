"""Floor 0: what every stage is run with. No edit of it may change a result: none reruns for one."""
