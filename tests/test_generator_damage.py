"""A generator from the hub is untrusted: whatever its files say, it loads or one line says why."""

import json
import shutil

import pytest
from benchmarks.experiments.fuzz import VALUES, list_places
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests import tiny_generator

from makeanagent.artifacts import MANIFEST_NAME, hash_file
from makeanagent.errors import InputError
from makeanagent.field_types import check_fields
from makeanagent.generator import MakeAnAgent


@pytest.fixture(scope="module", params=["paper", "reader"])
def whole(request, tmp_path_factory):
    """A generator's folder, and its config."""
    folder = tmp_path_factory.mktemp("generators") / request.param
    if request.param == "paper":
        tiny_generator.save(folder)
    else:
        MakeAnAgent.from_pretrained("metaworld-41").save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    # Free-form, and not read.
    del config["provenance"], config["training"]
    config["training"] = None
    return folder, config


def rewrite(folder, **files):
    """Write files of a generator, and a manifest that lists them."""
    manifest = json.loads((folder / MANIFEST_NAME).read_text())
    for name, text in files.items():
        path = folder / f"{name}.json"
        path.write_text(text)
        manifest[path.name] = hash_file(path)
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest))


@settings(
    max_examples=150, deadline=5_000, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_config_of_other_values_loads_or_is_refused_in_one_line(whole, tmp_path, data):
    folder, config = whole
    copy = tmp_path / "copy"
    if not copy.is_dir():
        shutil.copytree(folder, copy)
    changed = json.loads(json.dumps(config))
    *parents, last = data.draw(st.sampled_from(list(list_places(config))))
    inner = changed
    for key in parents:
        inner = inner[key]
    if data.draw(st.booleans(), label="deleted") and isinstance(inner, dict):
        del inner[last]
    else:
        inner[last] = data.draw(st.sampled_from(VALUES))
    rewrite(copy, config=json.dumps(changed))
    try:
        MakeAnAgent.from_pretrained(copy)
    except InputError as error:
        assert "\n" not in str(error) and str(copy) in str(error)


def test_larger_networks_than_the_weights_are_refused_before_they_are_built(whole, tmp_path):
    folder, config = whole
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    # Ten million million numbers, if they were made.
    config["denoiser"]["widths"] = [2**20] * 10
    rewrite(copy, config=json.dumps(config))
    with pytest.raises(InputError, match="model.safetensors: does not fit config.json"):
        MakeAnAgent.from_pretrained(copy)


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"../config.json": "0"}, "is no plain name of a file"),
        ({"/etc/hostname": "0"}, "is no plain name of a file"),
        ({"model.safetensors": None}, "does not list model.safetensors"),
        ({"config.json": None}, "does not list config.json"),
    ],
)
def test_the_manifest_names_the_generators_own_files(tmp_path, entries, words):
    folder = tmp_path / "generator"
    tiny_generator.save(folder)
    path = folder / MANIFEST_NAME
    manifest = json.loads(path.read_text()) | entries
    path.write_text(json.dumps({name: each for name, each in manifest.items() if each}))
    with pytest.raises(InputError, match=words):
        MakeAnAgent.from_pretrained(folder)


def test_fields_are_of_their_types():
    config = MakeAnAgent.from_pretrained("metaworld-41").config
    check_fields(config)
    for name, value in (("suite", 3), ("tasks", ("a", 3)), ("condition", "x"), ("practice", 1)):
        object.__setattr__(config, name, value)
        with pytest.raises(InputError, match=f"^{name}.*must be"):
            check_fields(config)
        config = MakeAnAgent.from_pretrained("metaworld-41").config
