"""Class tokens and attention, against the library's own network with eager attention throughout."""

import pytest
import torch
from tiny_transformers import NAMES, small_sizes

from vigil.learn.vision_transformers.network import AttentiveTransformer, build_own

SIZES = small_sizes()


def network_of(name: str) -> AttentiveTransformer:
    torch.manual_seed(3)
    network = AttentiveTransformer(SIZES[name].family, SIZES[name].config).eval()
    for weight in network.parameters():  # the library's initial weights give even attention
        weight.data.add_(torch.randn_like(weight) * 0.3)
    return network


def pixels_of(batch: int = 3) -> torch.Tensor:
    return torch.randn(batch, 3, 20, 28, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", NAMES)
@torch.inference_mode()
def test_the_attention_is_the_librarys_own_without_class_token_and_registers(name: str):
    network, pixels = network_of(name), pixels_of()
    vectors, attention = network.attend(pixels)
    library = network.network
    library.set_attn_implementation("eager")
    told = library(pixel_values=pixels, output_attentions=True, **SIZES[name].family.forward)
    last = told.attentions[-1]
    num_first = last.shape[-1] - 5 * 7
    assert num_first == (1 if name.startswith("dino_") else 5)
    expected = last[:, :, 0, num_first:].reshape(3, 3, 5, 7)
    torch.testing.assert_close(attention, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(vectors, told.last_hidden_state[:, 0], atol=1e-4, rtol=1e-4)
    assert expected.std() > 1e-3
    assert (attention.sum((2, 3)) < 1).all()


@pytest.mark.parametrize("name", NAMES)
@torch.inference_mode()
def test_a_batch_is_its_pictures_and_looking_twice_is_the_same(name: str):
    network, pixels = network_of(name), pixels_of()
    vectors, attention = network.attend(pixels)
    for at in range(len(pixels)):
        one_vector, one_map = network.attend(pixels[at : at + 1])
        torch.testing.assert_close(one_vector[0], vectors[at], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(one_map[0], attention[at], atol=1e-5, rtol=1e-5)
    again, _ = network.attend(pixels)
    assert torch.equal(again, vectors)
    assert torch.equal(network(pixels), vectors)


@pytest.mark.parametrize("name", NAMES)
def test_each_weight_is_stored_once_and_only_the_librarys(name: str):
    network = network_of(name)
    assert set(network.state_dict()) == {f"network.{key}" for key in network.network.state_dict()}


def test_attention_moves_with_a_bright_patch():
    """A network that attends by colour alone: the map follows what the picture shows."""
    network = network_of("dino_small_16")
    with torch.inference_mode():
        maps = []
        for column in (1, 5):
            pixels = torch.zeros(1, 3, 20, 28)
            pixels[:, :, 8:12, 4 * column : 4 * column + 4] = 3.0
            maps.append(network.attend(pixels)[1] - network.attend(torch.zeros(1, 3, 20, 28))[1])
    for column, change in zip((1, 5), maps, strict=True):
        place = change[0].abs().sum(0).argmax().item()
        assert (place // 7, place % 7) == (2, column)


@pytest.mark.parametrize("shape", [(1, 3, 20, 27), (1, 3, 18, 28), (1, 1, 20, 28), (3, 20, 28)])
def test_pictures_that_patches_do_not_tile_are_refused(shape: tuple[int, ...]):
    with pytest.raises(ValueError, match=r"pixels must have the shape \(B, 3, H, W\)"):
        network_of("dino_small_16")(torch.zeros(shape))


def test_pixels_are_normalised_by_imagenets_colours():
    network = network_of("dino_small_16")
    grey = torch.full((1, 2, 2, 3), 255, dtype=torch.uint8)
    expected = [(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    assert network.normalise(grey)[0, :, 0, 0].tolist() == pytest.approx(expected)


def test_a_network_of_a_card_has_its_sizes():
    network = build_own({"width": 8, "depth": 3, "num_heads": 2, "patch_px": 4, "size_px": 8})
    assert (network.width, network.num_heads, network.patch_px, network.size_px) == (8, 2, 4, 8)
    assert len(network.network.layers) == 3
    with torch.inference_mode():
        assert network.eval().attend(torch.zeros(2, 3, 12, 4))[1].shape == (2, 2, 3, 1)
