"""One flat recipe for each stage of a generator."""
