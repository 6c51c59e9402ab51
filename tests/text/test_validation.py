"""Which scalars are validation losses."""

from __future__ import annotations

import pytest

from lrtui.text.validation import validation_kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("val_loss", "val"),
        ("loss/val", "val"),
        ("valLoss", "val"),
        ("valid loss", "val"),
        ("validation_loss_epoch", "val"),
        ("eval_loss", "eval"),
        ("eval_squad_loss", "eval"),
        ("TEST-LOSS", "test"),
        ("val_loss/dataloader_idx_0", "val"),
        ("value_loss", ""),
        ("interval_loss", ""),
        ("latest_loss", ""),
        ("val_accuracy", ""),
        ("eval_runtime", ""),
        ("train_loss", ""),
        ("loss D", ""),
    ],
)
def test_a_name_says_it(name: str, kind: str) -> None:
    assert validation_kind(name) == kind
