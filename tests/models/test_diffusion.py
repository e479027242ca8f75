import copy
import math

import pytest
import torch

from makeanagent.models.denoisers import (
    PAPER_DENOISER,
    DenoiserConfig,
    build_denoiser,
    embed_time,
)
from makeanagent.models.diffusion import (
    DiffusionConfig,
    make_scheduler,
    noise_latents,
    sample_latents,
)

UNET = DenoiserConfig(kind="unet", widths=(16, 32, 64))
MLP = DenoiserConfig(widths=(64, 64))


@pytest.mark.parametrize("config", [MLP, UNET], ids=["mlp", "unet"])
@pytest.mark.parametrize("groups", [1, 2, 3, 4])
def test_denoisers_keep_the_latents_shape(config: DenoiserConfig, groups: int):
    denoiser = build_denoiser((groups, 8), 5, config)
    output = denoiser(torch.randn(3, groups, 8), torch.tensor([0, 50, 99]), torch.randn(3, 5))
    assert output.shape == (3, groups, 8)


@pytest.mark.parametrize("config", [MLP, UNET], ids=["mlp", "unet"])
def test_denoisers_feel_time_and_condition(config: DenoiserConfig):
    torch.manual_seed(0)
    denoiser = build_denoiser((2, 8), 5, config)
    for parameter in denoiser.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    latents, steps, condition = torch.randn(1, 2, 8), torch.tensor([10]), torch.randn(1, 5)
    output = denoiser(latents, steps, condition)
    assert not torch.allclose(output, denoiser(latents, steps + 40, condition))
    assert not torch.allclose(output, denoiser(latents, steps, -condition))


def test_paper_unet_has_the_papers_size():
    with torch.device("meta"):
        denoiser = build_denoiser((2, 1024), 256, PAPER_DENOISER)
    assert 150e6 < sum(p.numel() for p in denoiser.parameters()) < 170e6


def test_time_embeddings_tell_all_steps_apart():
    embeddings = embed_time(torch.arange(100), 128)
    distances = torch.cdist(embeddings, embeddings) + 10 * torch.eye(100)
    assert distances.min() > 0.1


@pytest.mark.parametrize("prediction", ["sample", "epsilon"])
def test_a_perfect_denoiser_is_sampled_exactly(prediction: str):
    """With a denoiser that knows the answer, DDIM must end on it (Song et al. 2021)."""
    answer = torch.randn(4, 2, 8)
    config = DiffusionConfig(prediction=prediction)
    scheduler = make_scheduler(config)

    def know(latents: torch.Tensor, steps: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        if prediction == "sample":
            return answer
        alpha = scheduler.alphas_cumprod[steps][:, None, None]
        return (latents - alpha.sqrt() * answer) / (1 - alpha).sqrt()

    samples = sample_latents(know, scheduler, torch.zeros(4, 1), (2, 8), 10)
    torch.testing.assert_close(samples, answer, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("num_steps", [1, 4, 10])
def test_sampling_takes_as_many_steps_as_asked_for(num_steps: int):
    seen = []

    def note(latents: torch.Tensor, steps: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        seen.append(steps.tolist())
        return torch.zeros_like(latents)

    scheduler = make_scheduler(DiffusionConfig(train_steps=100))
    sample_latents(note, scheduler, torch.zeros(2, 1), (2, 8), num_steps)
    # Evenly from the noisiest to the cleanest, for all samples alike.
    stride = 100 // num_steps
    assert seen == [[steps, steps] for steps in range(100 - stride, -1, -stride)]


def test_sampling_leaves_a_shared_scheduler_as_it_was():
    scheduler = make_scheduler(DiffusionConfig())
    before = {name: copy.deepcopy(value) for name, value in vars(scheduler).items()}
    rows = torch.zeros(2, 1)
    sample_latents(lambda latents, *_: latents, scheduler, rows, (2, 8), 4)
    after = vars(scheduler)
    assert after.keys() == before.keys()
    for name, value in before.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(after[name], value), name
        else:
            assert after[name] == value, name
    # Even while another samples by it.
    seen = []

    def sample_within(latents: torch.Tensor, steps: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        sample_latents(lambda latents, *_: latents, scheduler, rows, (2, 8), 3)
        seen.append(int(steps[0]))
        return latents

    sample_latents(sample_within, scheduler, rows, (2, 8), 5)
    assert seen == [80, 60, 40, 20, 0]


def test_the_scheduler_is_that_of_the_config():
    cosine, linear, long = (
        make_scheduler(config)
        for config in (
            DiffusionConfig(),
            DiffusionConfig(beta_schedule="linear"),
            DiffusionConfig(train_steps=300),
        )
    )
    assert len(cosine.alphas_cumprod) == 100
    assert len(long.alphas_cumprod) == 300
    assert not torch.allclose(cosine.alphas_cumprod, linear.alphas_cumprod)
    # Nichol and Dhariwal 2021: cos^2((t / T + 0.008) / 1.008 * pi / 2), here at t = 50 of 100.
    share = math.cos((0.5 + 0.008) / 1.008 * math.pi / 2) ** 2
    share /= math.cos(0.008 / 1.008 * math.pi / 2) ** 2
    assert cosine.alphas_cumprod[49].item() == pytest.approx(share, rel=1e-4)


def test_noise_grows_with_the_timestep():
    scheduler = make_scheduler(DiffusionConfig())
    generator = torch.Generator().manual_seed(0)
    noisy, steps, noise = noise_latents(scheduler, torch.ones(4000, 2, 8), generator)
    share = ((noisy - torch.ones_like(noisy)).square().mean(dim=(1, 2))).sqrt()
    assert share[steps < 10].mean() < 0.3 < 1.0 < share[steps > 90].mean()
    assert noise.std().item() == pytest.approx(1.0, abs=0.02)


def test_noise_is_added_by_the_schedule():
    scheduler = make_scheduler(DiffusionConfig())
    clean = torch.randn(50, 2, 8)
    noisy, steps, noise = noise_latents(scheduler, clean, torch.Generator().manual_seed(0))
    alpha = scheduler.alphas_cumprod[steps][:, None, None]
    torch.testing.assert_close(noisy, alpha.sqrt() * clean + (1 - alpha).sqrt() * noise)


def test_time_embeddings_by_hand():
    # Frequencies from 1 to 1 / 10,000: sines first, then cosines.
    found = embed_time(torch.tensor([3]), 4)[0]
    expected = [math.sin(3), math.sin(3e-4), math.cos(3), math.cos(3e-4)]
    assert found.tolist() == pytest.approx(expected, abs=1e-6)


def test_blocks_of_the_mlp_begin_as_the_identity():
    torch.manual_seed(0)
    denoiser = build_denoiser((2, 8), 5, MLP)
    x, context = torch.randn(3, 64), torch.randn(3, 64)
    for block in denoiser.blocks:
        assert torch.equal(block(x, context), x)
    assert len(denoiser.blocks) == 2


def test_gate_and_modulation_begin_neutral():
    torch.manual_seed(0)
    denoiser = build_denoiser((2, 8), 5, MLP)
    latents, steps = torch.randn(3, 2, 8), torch.tensor([0, 50, 99])
    # With these and the blocks neutral, neither time nor condition is felt.
    expected = denoiser.head(denoiser.embed(latents.flatten(1))).unflatten(1, (2, 8))
    torch.testing.assert_close(denoiser(latents, steps, torch.randn(3, 5)), expected)


def test_the_unet_has_shortcuts_around_its_middle():
    torch.manual_seed(0)
    denoiser = build_denoiser((2, 8), 5, UNET)
    # What comes from below the first level is cut off.
    deepest = denoiser.up[-2]
    handle = deepest.register_forward_hook(lambda _, inputs, output: (output[0], 0 * output[1]))
    first, second = (
        denoiser(torch.randn(1, 2, 8), torch.tensor([10]), torch.zeros(1, 5)) for _ in range(2)
    )
    handle.remove()
    assert not torch.allclose(first, second)


def test_the_unet_is_of_the_configs_kernels_and_norms():
    config = DenoiserConfig(kind="unet", widths=(16, 32), kernel_size=5, norm_groups=4)
    convolution, norm, _ = build_denoiser((2, 8), 5, config).down[0].first.first
    assert convolution.kernel_size == (5,)
    assert norm.num_groups == 4


def test_both_denoisers_learn_two_clusters():
    """A learning test: the condition says which of two latents is right."""
    targets = torch.stack([torch.full((2, 8), -1.0), torch.full((2, 8), 1.0)])
    scheduler = make_scheduler(DiffusionConfig())
    for config in (MLP, UNET):
        torch.manual_seed(0)
        denoiser = build_denoiser((2, 8), 2, config)
        optimizer = torch.optim.Adam(denoiser.parameters(), 2e-3)
        # At a constant rate the U-Net forgets the condition at some steps, by rounding alone.
        decay = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.01, 200)
        for _ in range(200):
            which = torch.randint(2, (32,))
            condition = torch.nn.functional.one_hot(which, 2).float()
            noisy, steps, _ = noise_latents(scheduler, targets[which])
            loss = (denoiser(noisy, steps, condition) - targets[which]).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            decay.step()
        samples = sample_latents(denoiser, scheduler, torch.eye(2), (2, 8), 10)
        assert (samples - targets).abs().mean() < 0.2, config.kind


def test_gate_and_modulation_change_nothing_at_first():
    torch.manual_seed(0)
    denoiser = build_denoiser((2, 8), 5, MLP)
    inputs = torch.randn(3, 2, 8), torch.tensor([0, 50, 99]), torch.randn(3, 5)
    context = torch.nn.functional.silu(
        denoiser.time(embed_time(inputs[1], denoiser.time_dim)) + denoiser.condition(inputs[2])
    )
    stream = denoiser.embed(inputs[0].flatten(1))
    for block in denoiser.blocks:
        stream = block(stream, context)
    expected = denoiser.head(stream).unflatten(1, (2, 8))
    torch.testing.assert_close(denoiser(*inputs), expected)
    for name in ("gate.weight", "modulation.weight"):
        denoiser.get_parameter(name).data.normal_()
        assert not torch.allclose(denoiser(*inputs), expected), name


TRUNK = DenoiserConfig(kind="trunk", widths=(16, 16), time_dim=8)


def test_a_trunk_begins_blind_to_noise_and_time_and_samples_in_units_of_its_scale():
    torch.manual_seed(0)
    denoiser = build_denoiser((1, 8), 5, TRUNK)
    latents, condition = torch.randn(3, 1, 8), torch.randn(3, 5)
    at_once = denoiser.predict(condition)
    assert torch.equal(denoiser(latents, torch.tensor([0, 50, 99]), condition), at_once)
    denoiser.scale.copy_(torch.arange(1.0, 9.0)[None])
    predicted = denoiser(latents, torch.tensor([0, 50, 99]), condition)
    assert torch.equal(denoiser.predict(condition), at_once)
    torch.testing.assert_close(predicted * torch.arange(1.0, 9.0), at_once)


def test_trunks_of_before_there_was_a_scale_are_read():
    denoiser = build_denoiser((1, 8), 5, TRUNK)
    weights = denoiser.state_dict()
    del weights["scale"]
    other = build_denoiser((1, 8), 5, TRUNK)
    other.scale.fill_(3)
    other.load_state_dict(weights)
    assert torch.equal(other.scale, torch.ones(1, 8))
    assert torch.equal(other.predict(torch.ones(1, 5)), denoiser.predict(torch.ones(1, 5)))


def test_trailing_times_begin_at_the_last():
    leading, trailing = (
        make_scheduler(DiffusionConfig(timestep_spacing=spacing))
        for spacing in ("leading", "trailing")
    )
    for scheduler in (leading, trailing):
        scheduler.set_timesteps(10)
    assert leading.timesteps.tolist() == [90, 80, 70, 60, 50, 40, 30, 20, 10, 0]
    assert trailing.timesteps.tolist() == [99, 89, 79, 69, 59, 49, 39, 29, 19, 9]
