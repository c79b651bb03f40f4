from __future__ import annotations

import copy
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dfkd_ray.nets import DeconvGenerator, SpatialAttention


def noise(batch: int = 4, latent: int = 8) -> Tensor:
    return torch.randn(batch, latent, generator=torch.Generator().manual_seed(0))


def size(*modules: nn.Module) -> int:
    return sum(p.numel() for module in modules for p in module.parameters())


@pytest.mark.parametrize("attention", [None, SpatialAttention])
@pytest.mark.parametrize("image", [(3, 32, 32), (1, 64, 64), (3, 112, 112), (3, 128, 128), (3, 224, 224), (3, 16, 48)])
def test_the_asked_image_comes_out(image: tuple[int, int, int], attention: type[nn.Module] | None) -> None:
    images = DeconvGenerator(8, image, width=4, attention=attention)(noise(2))
    assert images.shape == (2, *image)
    assert images.abs().max() <= 1


def test_parameters_of_table_6_at_224_pixels() -> None:
    generator = DeconvGenerator(256, (3, 224, 224), attention=SpatialAttention)
    deconvs = [block.get_submodule("deconv") for block in generator.blocks]
    attention = [block.get_submodule("attention") for block in generator.blocks]
    assert size(generator.project) == 256 * 512 * 14 * 14 + 512 * 14 * 14  # 25.79 M
    assert size(*deconvs) == 9 * (512 * 256 + 256 * 128 + 128 * 64 + 64 * 64)  # 1.585 M
    assert size(generator.to_image) == 9 * 64 * 3 + 3  # 1.7 k
    assert size(*attention) == 278_272  # 0.278 M at r = 8
    assert size(generator) == size(generator.project, generator.norm, *deconvs, *attention, generator.to_image)


def test_the_forward_pass_follows_table_6() -> None:
    generator = DeconvGenerator(8, (3, 32, 48), width=4, spectral_norm=False).double()
    p, z = dict(generator.named_parameters()), noise().double()
    y = F.linear(z, p["project.weight"], p["project.bias"]).view(4, 32, 2, 3)
    y = F.batch_norm(y, None, None, p["norm.weight"], p["norm.bias"], training=True)
    for number in range(4):
        weight = p[f"blocks.{number}.deconv.weight"]
        y = F.conv_transpose2d(y, weight, stride=2, padding=1, output_padding=1)
        y = torch.where(y > 0, y, 0.2 * y)
    y = torch.tanh(F.conv2d(y, p["to_image.weight"], p["to_image.bias"], padding=1))
    torch.testing.assert_close(generator(z), y)


def test_five_doublings_start_from_7x7_at_224_pixels() -> None:
    generator = DeconvGenerator(256, (3, 224, 224), doublings=5, attention=SpatialAttention)
    assert generator.start == (512, 7, 7)
    shapes = [tuple(block.get_submodule("deconv").weight.shape[:2]) for block in generator.blocks]
    assert shapes == [(512, 512), (512, 256), (256, 128), (128, 64), (64, 64)]
    assert DeconvGenerator(8, (3, 96, 64), width=2, doublings=5)(noise(2)).shape == (2, 3, 96, 64)
    with pytest.raises(ValueError, match="doublings must be 1 to 5, got 6"):
        DeconvGenerator(8, (3, 64, 64), doublings=6)


@pytest.mark.parametrize(("side", "near"), [(28, "16 or 32"), (8, "16"), (0, "16"), (225, "224 or 240")])
def test_a_side_that_is_no_multiple_of_16_is_refused_with_the_nearest(side: int, near: str) -> None:
    with pytest.raises(ValueError, match=rf"multiples of 16, got {side}; nearest: {near}$"):
        DeconvGenerator(8, (3, 32, side))


def test_attention_is_called_with_the_channels_of_each_block_and_ends_it() -> None:
    asked: list[int] = []

    def attention(channels: int) -> nn.Module:
        asked.append(channels)
        return SpatialAttention(channels)

    generator = DeconvGenerator(8, width=16, attention=attention)
    assert asked == [64, 32, 16, 16]
    assert all(isinstance(block[-1], SpatialAttention) for block in generator.blocks)


def test_spectral_norm_makes_the_largest_singular_value_one() -> None:
    generator = DeconvGenerator(8, width=4)
    for _ in range(300):  # one power iteration per training step
        generator(noise())
    generator.eval()
    for block in generator.blocks:
        weight = block.get_submodule("deconv").weight
        matrix = weight.transpose(0, 1).flatten(1)  # output channels first, as for a convolution
        assert torch.linalg.matrix_norm(matrix, 2).item() == pytest.approx(1, abs=1e-2)


def test_without_spectral_norm_the_weights_are_plain() -> None:
    assert not any("parametrizations" in name for name in DeconvGenerator(8, spectral_norm=False).state_dict())


def test_normalised_output_has_the_range_of_the_teachers_data() -> None:
    mean, std = (0.4, 0.5), (0.2, 0.25)
    torch.manual_seed(0)
    plain = DeconvGenerator(8, (2, 32, 32), width=4, output="tanh")
    torch.manual_seed(0)
    mapped = DeconvGenerator(8, (2, 32, 32), width=4, output="normalised", mean=mean, std=std)
    unit = (plain(noise()) + 1) / 2
    expected = torch.stack([(unit[:, c] - mean[c]) / std[c] for c in range(2)], dim=1)
    torch.testing.assert_close(mapped(noise()), expected)


def test_batchnorm_output_has_zero_mean_and_unit_variance() -> None:
    generator = DeconvGenerator(8, width=8, output="batchnorm")
    with torch.no_grad():
        generator.to_image.weight.mul_(1e3)  # fresh images are so faint that BatchNorm's epsilon would show
    images = generator(noise(64))
    assert images.mean((0, 2, 3)).abs().max() < 1e-4
    torch.testing.assert_close(images.var((0, 2, 3)), torch.ones(3), rtol=0, atol=1e-3)


def test_wrong_outputs_are_refused() -> None:
    with pytest.raises(ValueError, match=r"output must be one of tanh, .*affine_batchnorm, got 'relu'"):
        DeconvGenerator(8, output="relu")  # type: ignore[arg-type]
    for mean, std in ((None, None), ((0.5,), (0.5,)), ((0.5,) * 3, None)):
        with pytest.raises(ValueError, match="needs mean and std of 3 channels"):
            DeconvGenerator(8, output="normalised", mean=mean, std=std)
    with pytest.raises(ValueError, match="std must be > 0"):
        DeconvGenerator(8, output="normalised", mean=(0.5,) * 3, std=(0.5, 0.0, 0.5))


def test_initialisation_is_dcgans_in_the_attention_too() -> None:
    torch.manual_seed(0)
    generator = DeconvGenerator(64, width=32, attention=partial(SpatialAttention, reduction=1))
    for name, parameter in generator.named_parameters():
        if name.endswith("bias"):
            assert parameter.abs().max() == 0, name
        else:
            centre = 1.0 if parameter.ndim == 1 else 0.0  # BatchNorm's gamma
            standard_error = 0.02 / parameter.numel() ** 0.5
            assert abs(parameter.mean().item() - centre) < 5 * standard_error, name
            assert parameter.std().item() == pytest.approx(0.02, rel=5 / (2 * parameter.numel()) ** 0.5), name


def test_gradient_reaches_every_parameter_and_the_noise() -> None:
    generator = DeconvGenerator(8, width=8, attention=partial(SpatialAttention, variant="channel"))
    z = noise().requires_grad_()
    (generator(z) - 1).square().mean().backward()
    assert z.grad.abs().sum() > 0
    missing = [name for name, p in generator.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    assert missing == []
    main = [name for name, p in generator.named_parameters() if "attention" not in name and p.grad.abs().sum() == 0]
    assert main == []


def test_labels_are_unread_and_eval_is_deterministic() -> None:
    generator = DeconvGenerator(8, width=4, attention=SpatialAttention).eval()
    z = noise()
    assert torch.equal(generator(z), generator(z, torch.arange(4)))


def test_channels_last_gives_the_same_images_in_that_layout() -> None:
    generator = DeconvGenerator(8, width=8, attention=SpatialAttention).double()
    last = copy.deepcopy(generator).to(memory_format=torch.channels_last)
    images = last(noise().double())
    torch.testing.assert_close(images, generator(noise().double()))
    assert images.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("output", ["tanh", "batchnorm"])
def test_the_state_dict_restores_the_next_steps_bit_for_bit(output: str) -> None:
    build = partial(DeconvGenerator, 8, width=4, attention=SpatialAttention, output=output)
    first = build()
    first(noise())
    second = build()
    second.load_state_dict(first.state_dict())
    for _ in range(2):  # the power iteration and the running statistics go on from the same place
        assert torch.equal(first(noise()), second(noise()))
    assert torch.equal(first.eval()(noise()), second.eval()(noise()))
