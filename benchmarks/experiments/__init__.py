"""The experiments, a file each: cells, summary, figure and page."""
