#!/usr/bin/env bash
# Everything behind docs/results.md, from nothing: about two hours on two cores. Run it again to go on.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"

make-an-agent zoo build --out runs/zoo --tasks seen
make-an-agent zoo build --out runs/zoo_unseen --tasks unseen \
    --num-checkpoints 8 --checkpoint-steps 150
make-an-agent benchmark zoo --zoo runs/zoo
make-an-agent benchmark table4 --zoo runs/zoo --unseen-zoo runs/zoo_unseen
make-an-agent benchmark representation --zoo runs/zoo --run-folder runs/table4/seed-0
make-an-agent benchmark speed
python benchmarks/write_results.py
