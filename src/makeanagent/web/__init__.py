"""A page to try it on: choose or upload a demonstration, generate, watch, download."""
