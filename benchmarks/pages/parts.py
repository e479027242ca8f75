"""What autoencoder and embedding keep, the distilled zoo, and speed."""

from typing import Any

from benchmarks.pages.tables import describe, read, table


def write_autoencoder(result: dict[str, Any]) -> str:
    """Policies before and after encoding and decoding, and what the embedding tells apart."""
    first, losses = result["autoencoder"][0], result["largest_success_loss"]
    retrieval = result["embedding"]
    rows = [
        [
            row["task"].removesuffix("-v3"),
            row["runs"],
            f"{row['weight_rmse']:.4f}",
            f"{row['action_rmse']:.3f}",
            f"{row['success_original']:.3f}",
            f"{row['success_decoded']:.3f}",
        ]
        for row in result["autoencoder"]
    ]
    header = ["task", "runs", "weight RMSE", "action RMSE", "success", "success, decoded"]
    return f"""## What the autoencoder keeps

Policies before and after encoding and decoding: {first["num_policies"]} a
task of the runs that the autoencoder was trained on, and as many of the runs that were held out, on
{first["num_layouts"]} validation layouts. The largest loss of success is
{losses["training"]:.3f} on training runs and
{losses["held-out"]:.3f} on held-out ones.

{table(header, rows)}

{describe(result)}

## What the behaviour embedding knows

Of {retrieval["num_prompts"]} held-out expert demonstrations of all ten tasks,
{retrieval["own_outcome_top_1"]:.0%} score their own outcome highest (chance:
{retrieval["chance_own_outcome_top_1"]:.1%}), {retrieval["own_outcome_top_5"]:.0%} have it among
their first five, and {retrieval["own_task_top_1"]:.0%} score an outcome of their own task highest.
"""


def list_zoo(result: dict[str, Any]) -> str:
    """A row for each task of a zoo."""
    rows = [
        [
            row["task"].removesuffix("-v3"),
            str(row["num_policies"]),
            str(row["num_runs"]),
            f"{row['qualified_rate']:.3f}",
            f"{row['success_rate']:.3f}",
            "–" if row["expert_success"] is None else f"{row['expert_success']:.2f}",
        ]
        for row in result["tasks"]
    ]
    return table(["task", "policies", "runs", "qualified", "success", "expert"], rows)


def write_zoo(result: dict[str, Any]) -> str:
    """The distilled zoo of the ten seen tasks."""
    training = read("representation")["training_seconds"]
    return f"""## The zoo

{list_zoo(result)}

Built in {result["build_seconds"] / 60:.0f} minutes, while other jobs ran beside it; a generator's
three stages (`train all`, `FAST`) took {training / 60:.1f} minutes. {describe(result)}
"""


def write_speed(result: dict[str, Any]) -> str:
    """Generation, acting, rollouts and start-up."""
    generation, batch, rollouts = result["generation"], result["batch"], result["rollouts"]
    start_up, guidance = result["start_up"], result["guidance"]
    rows = [
        [
            "100 policies from 100 prompts, loaded generator",
            f"{generation['seconds']:.3f} s",
        ],
        [
            "the same by the paper's architecture, same run",
            f"{generation['paper_architecture_seconds']:.2f} s"
            f" ({generation['times_faster']:.0f} times slower)",
        ],
        [
            f"guidance, {guidance['num_policies']} policies at once",
            f"{guidance['milliseconds_per_policy']:.0f} ms a policy",
        ],
        [
            "one step of 100 policies, PolicyBatch against a loop over modules",
            f"{batch['batch_seconds'] * 1e3:.2f} ms against"
            f" {batch['loop_seconds'] * 1e3:.1f} ms ({batch['times_faster']:.0f} times)",
        ],
        [
            f"evaluation, all cores ({rollouts['task']})",
            f"{rollouts['rollouts_per_second']:.0f} rollouts/s,"
            f" {rollouts['steps_per_second']:.0f} steps/s",
        ],
        [
            "one core: physics alone, environment, policy and environment",
            f"{rollouts['physics_steps_per_second_per_core']:.0f},"
            f" {rollouts['environment_steps_per_second_per_core']:.0f},"
            f" {rollouts['policy_and_environment_steps_per_second_per_core']:.0f} steps/s",
        ],
        [
            "`import makeanagent`, `make-an-agent --help`",
            f"{start_up['import_seconds']:.2f} s, {start_up['help_seconds']:.2f} s",
        ],
    ]
    return f"""## Speed

{table(["what", "figure"], rows)}

Medians over {result["repeats"]} repeats, by turns. {describe(result)}
"""
