"""How a gradient becomes a step."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from lrtui.messages.quantities import LARGEST, Fraction

OptimizerName = Literal["sgd", "nesterov", "adam", "adamw", "own"]


class Optimizer(Struct, frozen=True, kw_only=True):
    """How a gradient becomes a step; the names and their meaning are those of torch.optim.

    Attributes:
        name: ``own`` is made by a person's file; nothing else is known of it.
        momentum: of ``sgd`` and ``nesterov``.
        weight_decay: share of the weights added to the gradient; ``adamw`` decays them itself.
        betas: of ``adam`` and ``adamw``.
    """

    name: OptimizerName = "sgd"
    momentum: Fraction = 0.0
    weight_decay: Annotated[float, Meta(ge=0, le=LARGEST)] = 0.0
    betas: tuple[Fraction, Fraction] = (0.9, 0.999)

    @property
    def is_adaptive(self) -> bool:
        """Whether each weight has a step size of its own: Adam and AdamW."""
        return self.name in ("adam", "adamw")

    @property
    def is_plain(self) -> bool:
        """Whether a step is the rate times the gradient and nothing else."""
        return self.name == "sgd" and not self.momentum and not self.weight_decay

    @property
    def threshold(self) -> float:
        """The largest stable product of rate and curvature.

        Gradient descent: 2. With momentum β: 2 + 2β, in torch's Nesterov (2 + 2β)/(1 + 2β). With
        Adam, on the Hessian that is divided by √v̂ + ε: (2 + 2β₁)/(1 − β₁). Source: Cohen et al.,
        "Adaptive Gradient Methods at the Edge of Stability", 2022.
        """
        if self.is_adaptive:
            return (2 + 2 * self.betas[0]) / (1 - self.betas[0])
        beta = self.momentum
        return (2 + 2 * beta) / (1 + 2 * beta if self.name == "nesterov" else 1)

    @property
    def title(self) -> str:
        """The optimizer in words, such as ``sgd .9`` or ``adamw, decay .01``."""
        parts = [str(self.name)]
        if self.momentum and not self.is_adaptive:
            parts[0] += f" {self.momentum:g}".replace("0.", ".")
        if self.is_adaptive and self.betas != (0.9, 0.999):
            parts[0] += " {:g}/{:g}".format(*self.betas).replace("0.", ".")
        if self.weight_decay:
            parts.append(f"decay {self.weight_decay:g}")
        return ", ".join(parts)


PLAIN = Optimizer()
"""Gradient descent: a step is the rate times the gradient."""

OWN = Optimizer(name="own")
"""The optimizer that a problem defines; gradient descent if it defines none."""
