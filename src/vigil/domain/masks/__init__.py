"""Objects and their masks in pictures: run lengths, their table and file, maps of classes."""
