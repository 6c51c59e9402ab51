"""A small language model that learns to write like lrtui's guide, for ``lrtui tour live``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import lrtui

PAUSE = 0.02
"""Seconds between two steps, so that it can be watched; a replay takes none."""

LENGTH, WIDTH, LAYERS, BATCH = 32, 48, 2, 16
"""Characters that it sees at once, numbers for each, layers, and texts of a batch."""


class LanguageModel(nn.Module):
    """A transformer over characters."""

    def __init__(self, characters: int) -> None:
        """Create it with random weights."""
        super().__init__()
        self.characters = nn.Embedding(characters, WIDTH)
        self.places = nn.Embedding(LENGTH, WIDTH)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(WIDTH, 4, 4 * WIDTH, batch_first=True, norm_first=True)
            for _ in range(LAYERS)
        )
        self.head = nn.Linear(WIDTH, characters)
        mask = torch.full((LENGTH, LENGTH), float("-inf")).triu(1)
        self.register_buffer("mask", mask)

    def forward(self, x: Tensor) -> Any:  # noqa: ANN401
        """Return a score for each next character."""
        found = self.characters(x) + self.places.weight
        for layer in self.layers:
            found = layer(found, src_mask=self.mask)
        return self.head(found)


def main(max_steps: int = 20_000) -> None:
    """Train it at a rate that is far too low."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    pages = sorted((Path(lrtui.__file__).parent / "guide").glob("*.md"))
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    known = {character: i for i, character in enumerate(sorted(set(text)))}
    data = torch.tensor([known[character] for character in text])
    model = LanguageModel(len(known))
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-5, betas=(0.9, 0.95))
    monitor = lrtui.Monitor(optimizer, model=model, name="language model")
    for _ in range(max_steps):
        starts = torch.randint(0, len(data) - LENGTH, (BATCH,))
        x = torch.stack([data[start : start + LENGTH] for start in starts])
        y = torch.stack([data[start + 1 : start + LENGTH + 1] for start in starts])
        loss = nn.functional.cross_entropy(model(x).flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        monitor.step(loss)
        time.sleep(PAUSE)
        if monitor.should_stop:
            break


if __name__ == "__main__":
    main()
