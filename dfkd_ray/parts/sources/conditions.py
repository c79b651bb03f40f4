"""How a generator is told the class that it is asked for; the networks stand in `nets.conditioners`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from dfkd_ray.nets.conditioners import ByNorm, ConcatEmbedding, Condition, LabelMap, SumEmbedding
from dfkd_ray.util.registry import Registry

conditioners: Registry[type[Any]] = Registry("conditioner")


class Conditioner(Protocol):
    """`build` makes its part of a network: for so many classes, a z of that length, and a first map of these sides.

    It is built and not opened, as all networks are: its state is that of the network which it belongs to.
    """

    def build(self, classes: int, latent: int, sides: tuple[int, int]) -> Condition: ...


@conditioners.register("concat_emb")
@dataclass(frozen=True)
class Concat:
    """A learned embedding of the class, joined to z (the conditional DCGAN in the code of FastDFKD, arXiv:2112.06253).

    length: of the embedding, 50 there.
    """

    length: int = 50

    def __post_init__(self) -> None:
        if self.length < 1:
            raise ValueError(f"length must be at least 1, got {self.length}")

    def build(self, classes: int, latent: int, sides: tuple[int, int]) -> Condition:
        return ConcatEmbedding(classes, self.length)


@conditioners.register("sum_emb")
@dataclass(frozen=True)
class Sum:
    """G(z + e_y) with a learned e_y of the length of z (MAD, Do et al., arXiv:2209.10359)."""

    def build(self, classes: int, latent: int, sides: tuple[int, int]) -> Condition:
        return SumEmbedding(classes, latent)


@conditioners.register("label_map")
@dataclass(frozen=True)
class Map:
    """A linear layer from the one-hot class to one more channel of the first feature map (a conditional DAFL).

    Whether the channel joins before or after the first BatchNorm is not stated: after it (reconstruction).
    """

    def build(self, classes: int, latent: int, sides: tuple[int, int]) -> Condition:
        return LabelMap(classes, sides)


@conditioners.register("cbn")
@dataclass(frozen=True)
class Norms:
    """Class-conditional BatchNorm wherever the generator has BatchNorm (CPSC-DFKD, Shao et al., 2023): scale and shift
    are looked up by class. `output: batchnorm` makes it end the generator too, after the tanh, as it does there.

    eps: of all of them, 1e-3 in its code.
    """

    eps: float = 1e-3

    def __post_init__(self) -> None:
        if not self.eps > 0:
            raise ValueError(f"eps must be > 0, got {self.eps}")

    def build(self, classes: int, latent: int, sides: tuple[int, int]) -> Condition:
        return ByNorm(classes, self.eps)
