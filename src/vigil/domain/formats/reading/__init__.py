"""What readers of all formats share: values, names, the tables that they fill, and their checks."""
