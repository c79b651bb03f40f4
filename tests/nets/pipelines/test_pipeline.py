from __future__ import annotations

import pytest
import torch

from tests.nets.pipelines.stubs import CLASSES, LATENT, pipeline

Z = torch.randn(3, *LATENT, generator=torch.Generator().manual_seed(1))
LABELS = torch.tensor([4, 0, 2])


def test_classifier_free_guidance_goes_from_the_plain_prediction_through_the_told_one() -> None:
    made = pipeline(told=CLASSES)
    told = made.net(Z, torch.full((3,), 7), made.told[LABELS]).sample
    plain = made.net(Z, torch.full((3,), 7), made.plain.expand(3, 3, 4)).sample
    made.net.calls.clear()
    assert torch.allclose(made.predict(Z, 7, LABELS, 3.0), plain + 3 * (told - plain), atol=1e-6)
    assert made.net.calls == [(6, 7, True)], "both in one pass"
    assert torch.allclose(made.predict(Z, 7, LABELS, 1.0), told, atol=1e-6)
    assert made.net.calls[1:] == [(3, 7, True)], "at scale 1 the other half does not count"


def test_who_is_told_nothing_predicts_once() -> None:
    made = pipeline()
    same = type(made)(made.net, made.decoder, made.scheduler, made.plain, made.plain)
    assert torch.equal(
        same.predict(Z, 7, LABELS, 3.0), made.net(Z, torch.full((3,), 7), made.plain.expand(3, 3, 4)).sample
    )
    assert [size for size, _, _ in made.net.calls] == [3, 3]


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_the_estimate_inverts_the_forward_process(kind: str) -> None:
    made = pipeline()
    made.scheduler.register_to_config(prediction_type=kind)
    noise = torch.randn(Z.shape, generator=torch.Generator().manual_seed(2))
    for t in (10, 500, 999):
        share = torch.cumprod(1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2, 0)[t]
        noisy = share.sqrt() * Z + (1 - share).sqrt() * noise
        says = {"epsilon": noise, "sample": Z, "v_prediction": share.sqrt() * noise - (1 - share).sqrt() * Z}[kind]
        assert torch.allclose(made.estimate(noisy, says, t), Z, atol=1e-4)
        step = made.scheduler.step(says, t, noisy, generator=torch.Generator()).pred_original_sample
        assert torch.allclose(made.estimate(noisy, says, t), step, atol=1e-4), "as the library has it"


def test_a_step_back_draws_from_the_given_numbers() -> None:
    made = pipeline()
    times = made.times(10)
    assert len(times) == 10
    assert times == sorted(times, reverse=True)
    a, b = (made.back(Z, Z, times[0], torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(a, b)
    assert not torch.equal(a, made.back(Z, Z, times[0], torch.Generator().manual_seed(6)))


def test_images_are_decoded_from_latents_at_their_own_scale() -> None:
    made = pipeline()
    images = made.decode(Z)
    assert images.shape == (3, 3, 16, 16)
    assert torch.allclose(images, torch.tanh(made.decoder.conv(Z / 0.5)) / 2 + 0.5, atol=1e-6)
    assert images.min() >= 0
    assert images.max() <= 1


def test_decoding_one_by_one_changes_no_gradient() -> None:
    whole, single = pipeline(), pipeline(decode_at_once=1)
    grads = []
    for made in (whole, single):
        z = Z.clone().requires_grad_()
        made.decode(z).square().sum().backward()
        grads.append(z.grad)
    assert torch.allclose(grads[0], grads[1], atol=1e-6)
    assert whole.decoder.calls == [3]
    assert single.decoder.calls == [1] * 6, "and once more each on the way back"
    with torch.no_grad():
        assert torch.allclose(whole.decode(Z), single.decode(Z))


def test_half_precision_of_the_parts_stays_inside() -> None:
    made = pipeline()
    assert not made.half
    made.net.half()
    assert type(made)(made.net, made.decoder, made.scheduler, made.told, made.plain).half
    made.net.to(torch.bfloat16)
    assert made.predict(Z, 7, LABELS, 3.0).dtype == torch.float32


def test_what_a_net_predicts_beside_the_noise_is_left_out() -> None:
    made = pipeline()
    inner = made.net.conv
    made.net.conv = torch.nn.Sequential(inner)
    whole = made.net.forward

    def learned(*args, **kwargs):  # type: ignore[no-untyped-def]
        out = whole(*args, **kwargs)
        out.sample = torch.cat([out.sample, torch.zeros_like(out.sample)], 1)
        return out

    made.net.forward = learned
    assert made.predict(Z, 7, LABELS, 3.0).shape == Z.shape
