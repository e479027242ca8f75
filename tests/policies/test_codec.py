"""The flat vector: its order, its length, and that nothing is lost on the way."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from makeanagent.errors import InputError
from makeanagent.policies import PolicySpec, flatten_policy, unflatten_policy
from makeanagent.policies.network import PolicyNetwork

QUICK = settings(deadline=None, max_examples=50)


@st.composite
def specs(draw):
    hidden = draw(st.lists(st.integers(1, 9), max_size=3))
    return PolicySpec(
        observation_dim=draw(st.integers(1, 9)),
        action_dim=draw(st.integers(1, 5)),
        hidden=tuple(hidden),
        activations=tuple(draw(st.sampled_from(["elu", "relu", "tanh"])) for _ in hidden),
        heads=draw(st.sampled_from([("mean",), ("mean", "log_std")])),
        squash=draw(st.sampled_from(["tanh", "none"])),
    )


@pytest.mark.parametrize(
    ("observation_dim", "action_dim", "expected"),
    [
        # 39*128+128 + 128*128+128 + 2*(128*4+4), Meta-World.
        (39, 4, 22_664),
        # 41*128+128 + 128*128+128 + 2*(128*8+8), Robosuite.
        (41, 8, 23_952),
    ],
)
def test_the_papers_policies_have_the_papers_sizes(observation_dim, action_dim, expected):
    spec = PolicySpec(observation_dim=observation_dim, action_dim=action_dim)
    assert spec.num_parameters == expected


@QUICK
@given(spec=specs(), seed=st.integers(0, 2**32 - 1))
def test_flatten_undoes_unflatten_byte_for_byte(spec, seed):
    # Any bits at all, also those of NaN with a payload.
    bits = np.random.default_rng(seed).integers(0, 2**32, spec.num_parameters, np.uint32)
    vector = bits.view(np.float32)
    again = flatten_policy(unflatten_policy(vector, spec), spec)
    assert again.tobytes() == vector.tobytes()
    assert flatten_policy(unflatten_policy(again, spec), spec).tobytes() == vector.tobytes()


@QUICK
@given(spec=specs())
def test_layers_fill_the_vector_without_gap_or_overlap(spec):
    uses = np.zeros(spec.num_parameters, int)
    for layer in spec.layers:
        uses[layer.weight] += 1
        uses[layer.bias] += 1
    assert (uses == 1).all()


def test_the_order_is_weights_row_by_row_then_biases_layer_by_layer():
    spec = PolicySpec(observation_dim=2, action_dim=1, hidden=(3,), activations=("relu",))
    arrays = unflatten_policy(np.arange(17, dtype=np.float32), spec)
    assert {name: array.tolist() for name, array in arrays.items()} == {
        "linear1.weight": [[0, 1], [2, 3], [4, 5]],
        "linear1.bias": [6, 7, 8],
        "mean.weight": [[9, 10, 11]],
        "mean.bias": [12],
        "log_std.weight": [[13, 14, 15]],
        "log_std.bias": [16],
    }


@QUICK
@given(spec=specs())
def test_torch_modules_flatten_to_torchs_own_vector(spec):
    network = PolicyNetwork(spec)
    vector = torch.nn.utils.parameters_to_vector(network.parameters()).detach().numpy()
    assert flatten_policy(network.state_dict(), spec).tobytes() == vector.tobytes()


def test_unflattened_arrays_are_views():
    spec = PolicySpec(observation_dim=2, action_dim=1, hidden=(), activations=())
    vector = np.zeros(spec.num_parameters, np.float32)
    unflatten_policy(vector, spec)["mean.bias"][:] = 1
    assert vector.sum() == 1


SMALL = PolicySpec(observation_dim=2, action_dim=1, hidden=(3,), activations=("relu",))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"linear1.bias": None}, "linear1.bias is missing"),
        ({"linear1.weight": np.zeros((2, 3))}, r"linear1.weight has shape \(2, 3\), expected"),
        ({"mean.bias": np.array(["x"])}, "mean.bias does not hold numbers"),
    ],
)
def test_weights_that_do_not_fit_are_named(change, message):
    arrays = unflatten_policy(np.zeros(17, np.float32), SMALL) | change
    arrays = {name: array for name, array in arrays.items() if array is not None}
    with pytest.raises(InputError, match=message):
        flatten_policy(arrays, SMALL)


@pytest.mark.parametrize("shape", [(), (16,), (18,), (1, 17), (0,)])
def test_what_is_no_vector_of_the_spec_is_refused(shape):
    with pytest.raises(InputError, match="policy parameters: shape"):
        unflatten_policy(np.zeros(shape, np.float32), SMALL)


@QUICK
@given(spec=specs())
def test_a_spec_survives_json(spec):
    assert PolicySpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    assert hash(PolicySpec.from_dict(spec.to_dict())) == hash(spec)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)


@QUICK
@given(content=JSON)
def test_a_spec_from_any_json_is_an_input_error(content):
    with pytest.raises(InputError):
        PolicySpec.from_dict(content)


@QUICK
@given(spec=specs(), field=st.sampled_from(list(SMALL.to_dict())), value=JSON)
def test_a_spec_with_any_field_altered_is_valid_or_an_input_error(spec, field, value):
    try:
        altered = PolicySpec.from_dict(spec.to_dict() | {field: value})
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert altered.num_parameters >= 1
