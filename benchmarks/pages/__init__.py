"""What the pages of results are written with."""
