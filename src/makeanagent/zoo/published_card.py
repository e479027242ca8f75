"""What goes with a published zoo: the card that the hub shows, and its Croissant description.

Both tell the same sentences on how policies were made and measured, and on what they are not for.
"""

import json
from typing import Any

import numpy as np

from makeanagent.policies.spec import PolicySpec

_MADE = {
    "distillation": "Runs of a task share one initialisation and are distilled side by side from a"
    " scripted or trained expert: on its episodes with noise, and on the states that they reach"
    " themselves (DAgger). What is here are checkpoints of the training's last phase.",
    "sac": "Runs are soft actor-critic agents, each trained on one layout of its task. What is here"
    " are checkpoints whose test episode on that layout succeeded.",
}
_SIMULATED = (
    "Everything comes from simulators: no person is in it, and nothing was annotated by one."
)
_USES = (
    "Predicting a policy's success from its weights, telling which task it is for, and generating"
    " new policies. It has not been tried for anything on a real robot."
)
_LIMITS = (
    "Checkpoints of one run are nearly the same policy: split by run or by task, never by policy."
    " Runs of one population may share an initialisation, an expert and demonstrations, so even"
    " runs are not independent. Success was measured on few layouts of a simulator."
)
_IMPACT = (
    "None is known. A network that acts is to be measured, and its actions limited, before it moves"
    " anything."
)
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The standard's own, of version 1.0."""
_FIELDS = {
    "task": ("sc:Text", "Full name of the task that the policy is for."),
    "shard": ("sc:Text", "File, without its ending, that holds the policy."),
    "row": ("sc:Integer", "Its row in the file's tensor `parameters`."),
    "run": ("sc:Integer", "Training run that it is a checkpoint of, counted within its file."),
    "step": ("sc:Integer", "Gradient steps or environment steps of the run until then."),
    "seed": ("sc:Integer", "Seed of the population that it belongs to."),
    "success": ("sc:Boolean", "Success on each of the layouts `score_layouts` of dataset.json."),
    "success_rate": ("sc:Float", "Mean of these."),
    "qualified": ("sc:Boolean", "Success on all of these."),
    "split_by_run": ("sc:Text", "train, validation or test: runs of one split are in no other."),
    "split_by_task": ("sc:Text", "The same, of tasks."),
}
"""Columns of the index: type and meaning."""


def write_card(header: dict[str, Any], index: dict[str, list], license_name: str | None) -> str:
    """The card: what is here, how it was made and measured, how to read it, and its limits.

    Args:
        header: what `dataset.json` says.
        index: the index by column.
        license_name: as the hub names it, or None.
    """
    spec = PolicySpec.from_dict(header["spec"])
    given = ", ".join(f"{name} {value}" for name, value in header.get("given", {}).items())
    made, published = header["provenance"], header["published"]
    versions = ", ".join(f"{name} {version}" for name, version in made["versions"].items())
    licensed = "" if license_name is None else f"license: {license_name}\n"
    columns = "\n".join(f"| `{name}` | {meaning} |" for name, (_, meaning) in _FIELDS.items())
    return f"""---
pretty_name: {json.dumps(_name(header))}
{licensed}tags: [reinforcement-learning, robotics, weight-space-learning, policies, makeanagent]
task_categories: [reinforcement-learning, robotics]
size_categories: [{_size_category(len(index["row"]))}]
configs:
- config_name: policies
  data_files: index.parquet
---
# {_name(header)}

{_describe(header, index)}

{_list_tasks(header, index)}

## How it was made and measured

{_MADE[header["recipe"]]} Recipe `{header["recipe"]}`,
seed {header["seed"]}{_in_brackets(given)}; all settings are in `dataset.json`.

{_describe_scores(header)}

Begun {made["created"][:10]} with commit `{made["git_commit"]}` and {versions}, on
{made["machine"]["processor"]}; published {published["created"][:10]}. `dataset.json` says the same
of each file.

## What is in it

- `index.parquet`, a row for each policy:

| column | |
|---|---|
{columns}

- `<shard>.safetensors`: `parameters` float32 `[N, {spec.num_parameters}]`, a flat vector for each
  policy ({spec.describe()}); `rollouts.*`, a trajectory that each policy played; and perhaps
  `demonstrations.*` and `replay.*`, episodes of experts and of agents in training.
- `dataset.json`: `index_dict` says where in the vector each layer lies; `spec` and `space` say what
  goes in and comes out.
- `croissant.json`: the same for machines.

```python
from makeanagent.zoo.published import load_published

zoo = load_published("<this folder or hub id>")
rows = zoo.select(split_by_run="train", qualified=True)
vectors, trajectories = zoo.read_parameters(rows), zoo.read_rollouts(rows)
```

## Uses and limits

{_USES}

{_LIMITS}

{_SIMULATED}
"""


def write_croissant(
    files: dict[str, tuple[str, int]],
    header: dict[str, Any],
    index: dict[str, list],
    license_name: str | None,
) -> dict[str, Any]:
    """The description in Croissant 1.0 with its RAI fields, as JSON-LD.

    Args:
        files: SHA-256 and size in bytes of each data file by its name.
        header: what `dataset.json` says.
        index: the index by column.
        license_name: as the hub names it, or None.
    """
    kinds = {".parquet": "application/x-parquet", ".json": "application/json"}
    made = header["provenance"]
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": [
            "http://mlcommons.org/croissant/1.0",
            "http://mlcommons.org/croissant/RAI/1.0",
        ],
        "name": _name(header),
        "description": f"{_describe(header, index)} {_describe_scores(header)}",
        **({} if license_name is None else {"license": license_name}),
        "version": "1.0.0",
        "datePublished": header["published"]["created"],
        "keywords": ["reinforcement learning", "robotics", "weight-space learning", "policies"],
        "rai:dataCollection": _MADE[header["recipe"]],
        "rai:dataCollectionType": "Others",
        "rai:dataCollectionTimeFrame": [made["created"], header["published"]["created"]],
        "rai:dataUseCases": _USES,
        "rai:dataLimitations": _LIMITS,
        "rai:dataBiases": "What experts do, and which layouts a simulator draws, is all that"
        " policies were taught by and measured on.",
        "rai:dataSocialImpact": _IMPACT,
        "rai:personalSensitiveInformation": f"None. {_SIMULATED}",
        "rai:dataReleaseMaintenancePlan": "A zoo that is built again, or grows, is published anew.",
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": name,
                "name": name,
                "contentUrl": name,
                "contentSize": f"{size} B",
                "encodingFormat": kinds.get(name[name.rindex(".") :], "application/octet-stream"),
                "sha256": sha256,
            }
            for name, (sha256, size) in files.items()
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "policies",
                "name": "policies",
                "description": "A row for each policy.",
                "key": [{"@id": "policies/shard"}, {"@id": "policies/row"}],
                "field": [
                    {
                        "@type": "cr:Field",
                        "@id": f"policies/{name}",
                        "name": name,
                        "description": meaning,
                        "dataType": kind,
                        **({"repeated": True} if name == "success" else {}),
                        "source": {
                            "fileObject": {"@id": "index.parquet"},
                            "extract": {"column": name},
                        },
                    }
                    for name, (kind, meaning) in _FIELDS.items()
                ],
            }
        ],
    }


def _name(header: dict[str, Any]) -> str:
    return f"A zoo of policies for {header['suite']}"


def _describe(header: dict[str, Any], index: dict[str, list]) -> str:
    spec = PolicySpec.from_dict(header["spec"])
    runs = len(set(zip(index["shard"], index["run"], strict=True)))
    return (
        f"{len(index['row']):,} trained policy networks ({spec.describe()}, {spec.num_parameters:,}"
        f" numbers each) of {runs} training runs, for {len(set(index['task']))} tasks of"
        f" {header['suite']}, with a trajectory by each and its success."
    )


def _describe_scores(header: dict[str, Any]) -> str:
    where = header["score_layouts"]
    return (
        f"Each policy was scored once on each of {len(where)} layouts, numbers {where[0]} to"
        f" {where[-1]}, which no training saw; it is *qualified* if it succeeds on all of them."
    )


def _list_tasks(header: dict[str, Any], index: dict[str, list]) -> str:
    """A row for each shard."""
    lines = [
        "| task | policies | runs | success | qualified | expert |",
        "|---|---|---|---|---|---|",
    ]
    shards, success = np.array(index["shard"]), np.array(index["success_rate"])
    runs, qualified = np.array(index["run"]), np.array(index["qualified"])
    for name, about in header["shards"].items():
        own, expert = shards == name, about["expert_success"]
        lines.append(
            f"| {about['task']} | {own.sum()} | {len(set(runs[own]))} | {success[own].mean():.3f}"
            f" | {qualified[own].mean():.3f} | {'–' if expert is None else f'{expert:.2f}'} |"
        )
    return "\n".join(lines)


def _in_brackets(text: str) -> str:
    return f" ({text})" if text else ""


def _size_category(count: int) -> str:
    """As the hub sorts datasets by their rows."""
    for limit, name in ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K")):
        if count < limit:
            return name
    return "100K<n<1M"
