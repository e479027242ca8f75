"""The experiments, one file each: every figure in the docs is a JSON file that one of these wrote."""
