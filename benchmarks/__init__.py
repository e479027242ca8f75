"""The experiments, a file each: every figure in the docs comes from JSON that one of them wrote."""
