"""How the policies of a zoo are made, a file for each recipe; `registry.py` lists them."""
