"""Layouts by number, and who may use which.

A layout is one initial configuration of objects and goal. Every suite maps a layout number to one
configuration, always the same. The ranges below are the only place where numbers are given out, so
no zoo, prompt, selection and score can ever meet on a layout.
"""

ZOO = range(0, 10_000)
"Training data of zoos: expert episodes, DAgger, and the trajectories stored beside policies."
ZOO_SCORES = range(10_000, 20_000)
"The zoo's own scores of its policies."
PROMPTS = range(20_000, 30_000)
"Demonstrations that prompt a generator in benchmarks, and those that users record."
VALIDATION = range(30_000, 40_000)
"Tuning of the generator, on seen tasks."
SELECTION = range(40_000, 50_000)
"Choosing among generated policies (best of N)."
SCORING = range(50_000, 60_000)
"Reported success rates."
SEALED = range(60_000, 70_000)
"""Success rates of final tables alone. Whatever is looked at often is fitted in the end: each use
of these is logged, and counted (`benchmarks/sealed.py`)."""
