"""An evaluation of seven policies whose every number differs from the others."""

CHOSEN = [3, 1, 6, 0, 5]
"By rank."
CHOSEN_SUCCESS = [
    [1, 1, 1, 0, 0, 0],
    [1, 1, 1, 1, 0, 0],
    [0, 0, 0, 0, 0, 1],
    [1, 0, 0, 0, 0, 1],
    [0, 0, 0, 0, 0, 0],
]
MADE_UP = {
    "task": "toy/made-up",
    "num_policies": 7,
    "num_rollouts": 93,
    "num_steps": 1000,
    "has_success": True,
    "paper": {
        "layouts": [1, 2, 3],
        "qualified_rate": 0.11,
        "qualified_interval_95": [0.01, 0.21],
        "mean_success": 0.22,
        "mean_interval_95": [0.12, 0.32],
        "best": 0.93,
        "top_5": 0.55,
        "top_10": 0.33,
        "success": [[1, 0, 0], [0, 1, 1], [0, 0, 1], [1, 1, 0], [0, 0, 0], [1, 0, 1], [1, 1, 1]],
    },
    "held_out": {
        "layouts": [100, 106],
        "layouts_per_policy": 2,
        "first_sample": {"mean": 0.41, "interval_95": [0.31, 0.51], "num_rollouts": 14},
        "first_sample_policies": [0, 1, 2, 3, 4, 5, 6],
        "first_sample_layouts": [
            [100, 101], [102, 103], [104, 105], [100, 101], [102, 103], [104, 105], [100, 101],
        ],
        "first_sample_success": [[1, 0], [1, 1], [0, 1], [1, 1], [0, 0], [0, 0], [0, 0]],
        "selection_layouts": [7, 8, 9, 10],
        "selection_success": [
            [1, 0, 0, 0],
            [1, 1, 1, 0],
            [0, 0, 0, 0],
            [1, 1, 1, 1],
            [0, 0, 0, 0],
            [0, 0, 1, 0],
            [0, 1, 1, 0],
        ],
        "best_of_n": {"mean": 0.71, "interval_95": [0.61, 0.81], "num_rollouts": 6},
        "top_5_of_n": {"mean": 0.61, "interval_95": [0.51, 0.71], "num_rollouts": 30},
        "chosen_policies": CHOSEN,
        "chosen_success": CHOSEN_SUCCESS,
    },
}  # fmt: skip
