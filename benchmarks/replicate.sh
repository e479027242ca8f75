#!/usr/bin/env bash
# Everything behind docs/results.md, from nothing: a night on two cores. Run it again to go on.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"

make-an-agent zoo build --out runs/zoo --tasks seen
make-an-agent zoo build --out runs/zoo_unseen --tasks unseen \
    --num-checkpoints 8 --checkpoint-steps 150
python -m benchmarks zoo --zoo runs/zoo
make-an-agent zoo build --recipe sac --out runs/sac --tasks seen
make-an-agent zoo build --recipe sac --out runs/sac_unseen --tasks unseen \
    --env-steps 20000 --num-checkpoints 160
python -m benchmarks zoo --zoo runs/sac --out benchmarks/results/zoo_sac.json
make-an-agent zoo build --recipe sac --out runs/sac_shared --tasks seen --init-seed 7
python -m benchmarks zoo --zoo runs/sac_shared --out benchmarks/results/zoo_sac_shared.json
# Replay prompts are there already; after deleting them: make-an-agent zoo replay runs/sac \
#     runs/sac_unseen --out benchmarks/replay
# These five share their training runs and cells.
python -m benchmarks table4 --zoo runs/zoo --sac-zoo runs/sac --sources replay \
    --paper-schedule 0.02
python -m benchmarks table4 --zoo runs/zoo --unseen-zoo runs/zoo_unseen --sources expert zoo \
    --out benchmarks/results/table4_expert.json
python -m benchmarks figure5 --zoo runs/zoo --sac-zoo runs/sac
python -m benchmarks figure7 --zoo runs/zoo
python -m benchmarks alignment --zoo runs/zoo --sac-zoo runs/sac \
    --sac-shared-zoo runs/sac_shared
python -m benchmarks sac
python -m benchmarks representation --zoo runs/zoo --run-folder runs/paper/distilled-0
make-an-agent zoo build --out runs/zoo_all --tasks training reach-wall \
    --num-checkpoints 8 --checkpoint-steps 300
python -m benchmarks zoo --zoo runs/zoo_all --out benchmarks/results/zoo_training.json
python -m benchmarks zoo --zoo runs/zoo_unseen --out benchmarks/results/zoo_unseen.json
# Of those that 32 rounds do not make good, the ones that more rounds might.
make-an-agent zoo build --out runs/zoo_weak --num-checkpoints 8 --checkpoint-steps 300 \
    --max-rounds 64 --round-episodes 24 \
    --tasks box-close push-wall peg-unplug-side reach-wall
python -m benchmarks zoo --zoo runs/zoo_weak --out benchmarks/results/zoo_weak.json
# The generators' own zoo: half the runs are as good for them and take half the time, and the five
# tasks whose policies qualify least often are left out.
make-an-agent zoo build --out runs/zoo_generators --num-runs 8 \
    --num-checkpoints 8 --checkpoint-steps 300 \
    --tasks reach button-press button-press-topdown button-press-topdown-wall faucet-close \
    plate-slide window-open coffee-pull door-open door-unlock drawer-open dial-turn handle-press \
    handle-pull plate-slide-back plate-slide-back-side plate-slide-side sweep-into sweep stick-push \
    soccer coffee-push pick-place hammer push lever-pull bin-picking pick-place-wall assembly \
    handle-pull-side basketball shelf-place hand-insert disassemble peg-unplug-side box-close
python -m benchmarks zoo --zoo runs/zoo_generators --out benchmarks/results/zoo_generators.json \
    --note "The tasks left out are those whose policies qualified least often in the zoo of 32 rounds."
# The generators, and the final tables: on sealed layouts, each use of which is logged in benchmarks/sealed_layouts.jsonl.
python -m benchmarks unseen --zoo runs/zoo_generators --tasks unseen --seeds 3 --sealed
python -m benchmarks unseen --zoo runs/zoo_generators --tasks seen --seeds 1 --parts core \
    --sealed --out benchmarks/results/known.json
# The bundled generators are made so, too: by all fifty tasks, and by those that are not unseen.
#     make-an-agent train reader --tasks training --lessons runs/lessons --start-from runs/base/generator \
#         --out runs/metaworld-41
python -m benchmarks unseen --generator metaworld-41 --parts core --tasks unseen \
    --runs runs/shipped --sealed --out benchmarks/results/shipped.json
# All fifty tasks left out once, in ten folds; all begin with one base, which knows drawn tasks alone.
make-an-agent train reader --tasks drawn --lessons runs/lessons --out runs/base
# That training goes on, on more drawn tasks: minutes on a GPU, and half a day without one.
make-an-agent train reader --preset large --tasks drawn --start-from runs/base/generator \
    --out runs/large
# What the number of drawn tasks, width and steps are worth: an hour a variant on two cores, 20 s each
# on a GPU.
python -m benchmarks scaling --lessons runs/lessons \
    --longer runs/base/generator runs/large/generator
python -m benchmarks folds --base runs/base/generator --lessons runs/lessons --sealed \
    --evaluate-nine benchmarks/results/unseen.json
# The same, begun with the longer training.
python -m benchmarks folds --base runs/large/generator --lessons runs/lessons --runs runs/folds_longer \
    --seeds 1 --num-prompts 5 --arms shown hidden wrong --out benchmarks/results/folds_longer.json
make-an-agent train reader --tasks drawn --lessons runs/lessons --sampling --out runs/samples
python -m benchmarks samples --generator runs/samples/generator
python -m benchmarks novelty --zoo runs/zoo --generator runs/paper/distilled-0/generator \
    --num-prompts 6 --num-layouts 10
make-an-agent zoo build --out runs/reacher_zoo --suite examples/reacher_suite.py --tasks all \
    --num-runs 8 --num-checkpoints 15
make-an-agent train all --zoo runs/reacher_zoo --out runs/reacher --preset smoke
python -m benchmarks finetune --gymnasium-generator runs/reacher/generator --seeds 1 --num-steps 1500
python -m benchmarks fuzz --zoo runs/zoo_unseen
# Few rounds of DAgger, that policies differ in how good they are.
make-an-agent zoo build --out runs/zoo_small --tasks drawer-open plate-slide dial-turn \
    --num-runs 10 --num-checkpoints 5 --checkpoint-steps 50 --num-demonstrations 40 \
    --min-rounds 5 --max-rounds 5 --num-score-layouts 10
python -m benchmarks dataset --zoo runs/zoo_small
# Needs the extra, which `make robosuite-test` installs.
python -m benchmarks robosuite
python -m benchmarks transfer --seeds 1
python -m benchmarks speed
MUJOCO_GL=osmesa python -m benchmarks picture
python -m benchmarks.write_results
