"""Trainings as people write them; none of them knows of lrtui.

Each function takes a number of steps and returns a digest of all that it leaves behind: losses,
weights, buffers, optimizer states and the random state.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import logging
import math
import tempfile
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_ as early_clip
from torch.utils.data import DataLoader, TensorDataset


def digest(*things: Any) -> str:
    """Return a digest that changes with any bit of them, or of the random state."""
    found = hashlib.sha256()

    def add(thing: Any) -> None:
        if isinstance(thing, Tensor):
            thing = thing.to_local() if hasattr(thing, "to_local") else thing  # of FSDP
            found.update(thing.detach().contiguous().view(-1).to(torch.float64).numpy().tobytes())
        elif isinstance(thing, nn.Module):
            add(dict(thing.named_parameters()))
            add(dict(thing.named_buffers()))
        elif isinstance(thing, torch.optim.Optimizer):
            add(thing.state_dict())
        elif isinstance(thing, dict):
            for key, value in thing.items():
                found.update(str(key).encode())
                add(value)
        elif isinstance(thing, list | tuple):
            for value in thing:
                add(value)
        else:
            found.update(repr(thing).encode())

    add([*things, torch.get_rng_state()])
    return found.hexdigest()[:16]


def pictures(count: int = 1400) -> TensorDataset:
    """Return noisy pictures of ten kinds."""
    drawn = torch.Generator().manual_seed(7)
    kinds = torch.randn(10, 64, generator=drawn)
    labels = torch.randint(0, 10, (count,), generator=drawn)
    return TensorDataset(kinds[labels] + torch.randn(count, 64, generator=drawn), labels)


def sentences() -> Tensor:
    """Return 512 sentences of 16 tokens, each followed by one that depends on it."""
    drawn = torch.Generator().manual_seed(3)
    tokens = torch.randint(0, 40, (512, 16), generator=drawn)
    tokens[:, 1::2] = (tokens[:, ::2] * 7 + 1) % 40
    return tokens


def batches(size: int = 32, **options: Any) -> Iterator[Any]:
    loader = DataLoader(pictures(), size, shuffle=True, **options)
    while True:
        yield from loader


def network(dropout: float = 0.0, width: int = 64) -> nn.Sequential:
    return nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, 10))


def fit(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    steps: int,
    data: Iterator[Any] | None = None,
    loss_of: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
    after: Callable[[int], object] = lambda step: None,
) -> str:
    losses: list[float] = []
    for x, y in data or batches():
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        after(len(losses))
        if len(losses) == steps:
            break
    return digest(model, optimizer, losses)


def mlp(steps: int) -> str:
    model = network()
    return fit(
        model, torch.optim.SGD(model.parameters(), 0.05), steps, loss_of=nn.CrossEntropyLoss()
    )


def cnn_batchnorm(steps: int) -> str:
    """A schedule by epochs, Nesterov, weight decay."""
    model = nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)),
        nn.Conv2d(1, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(128, 10),
    )
    optimizer = torch.optim.SGD(
        model.parameters(), 0.05, momentum=0.9, nesterov=True, weight_decay=1e-4
    )
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 10)
    return fit(model, optimizer, steps, after=lambda step: schedule.step())


class Reader(nn.Module):
    """A transformer whose head shares the weights of its embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(40, 32)
        self.layer = nn.TransformerEncoderLayer(32, 2, 64, 0.1, batch_first=True, norm_first=True)
        self.head = nn.Linear(32, 40, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, x: Tensor) -> Any:
        return self.head(self.layer(self.embed(x)))


def transformer(steps: int) -> str:
    """Dropout, tied weights, AdamW, cosine."""
    model, tokens = Reader(), sentences()
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 200)
    losses = []
    for _ in range(steps):
        x = tokens[torch.randint(0, 512, (16,))]
        loss = F.cross_entropy(model(x[:, :-1]).reshape(-1, 40), x[:, 1:].reshape(-1))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return digest(model, optimizer, losses)


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(40, 16)
        self.lstm = nn.LSTM(16, 32, 2, dropout=0.2, batch_first=True)
        self.head = nn.Linear(32, 40)

    def forward(self, x: Tensor, state: Any) -> Any:
        out, state = self.lstm(self.embed(x), state)
        return self.head(out), state


def lstm(steps: int) -> str:
    """Truncated backpropagation: the hidden state is carried from step to step."""
    model, tokens = Recurrent(), sentences()
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    state, losses = None, []
    for step in range(steps):
        x = tokens[step * 8 % 504 : step * 8 % 504 + 8]
        if state is not None:
            state = tuple(part.detach() for part in state)
        out, state = model(x[:, :-1], state)
        loss = F.cross_entropy(out.transpose(1, 2), x[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        losses.append(loss.item())
    return digest(model, optimizer, losses)


def accumulation(steps: int) -> str:
    """Three parts a step, clipping by a name imported before, a warmup written by hand."""
    model, data, losses = network(0.1), batches(16), []
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * min(1, (step + 1) / 50)
        total = 0.0
        for _ in range(3):
            x, y = next(data)
            loss = F.cross_entropy(model(x), y) / 3
            loss.backward()
            total += loss.item()
        early_clip(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(total)
    return digest(model, optimizer, losses)


def mixed_precision(steps: int) -> str:
    """Autocast, a scaler that overflows at first, clipping after unscaling."""
    model, data, losses = network(), batches(), []
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**18, growth_interval=7)
    for _ in range(steps):
        x, y = next(data)
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss = F.cross_entropy(model(x), y)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
    return digest(model, optimizer, losses, scaler.state_dict())


def averaged(steps: int) -> str:
    """An exponential average by torch, and one by hand."""
    model = network()
    by_torch = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99)
    )
    by_hand = copy.deepcopy(model).requires_grad_(False)

    @torch.no_grad()
    def update(step: int) -> None:
        by_torch.update_parameters(model)
        for mean, now in zip(by_hand.parameters(), model.parameters(), strict=True):
            mean.mul_(0.99).add_(now, alpha=0.01)

    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    return digest(fit(model, optimizer, steps, after=update), by_torch, by_hand)


def compiled(steps: int) -> str:
    model = network()
    fast = torch.compile(model, backend="aot_eager")
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    return fit(fast, optimizer, steps, data=batches(drop_last=True))


def compiled_loss(steps: int) -> str:
    """A compiled function rather than a module, and a compiled optimizer step."""
    model, losses = network(), []
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    loss_of = torch.compile(lambda out, y: F.cross_entropy(out, y), backend="aot_eager")
    for x, y in batches(drop_last=True):
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if len(losses) == steps:
            break
    return digest(model, optimizer, losses)


def gan(steps: int) -> str:
    """Two optimizers; the generator's batch is computed before the discriminator's step."""
    maker = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 64))
    judge = nn.Sequential(nn.Linear(64, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
    for_maker = torch.optim.Adam(maker.parameters(), 1e-3, (0.5, 0.99))
    for_judge = torch.optim.Adam(judge.parameters(), 1e-3, (0.5, 0.99))
    loss_of, losses = F.binary_cross_entropy_with_logits, []
    for x, _ in batches():
        fake = maker(torch.randn(len(x), 8))
        true, false = torch.ones(len(x), 1), torch.zeros(len(x), 1)
        for_judge.zero_grad()
        of_judge = loss_of(judge(x), true) + loss_of(judge(fake.detach()), false)
        of_judge.backward()
        for_judge.step()
        for_maker.zero_grad()
        of_maker = loss_of(judge(fake), true)
        of_maker.backward()
        for_maker.step()
        losses.append(of_judge.item() + of_maker.item())
        if len(losses) == steps:
            break
    return digest(maker, judge, for_maker, for_judge, losses)


def clamped(steps: int) -> str:
    """Weights kept within bounds in place after each step, as a Wasserstein GAN does."""
    model = network(width=16)

    def clamp(step: int) -> None:
        for weight in model.parameters():
            weight.data.clamp_(-0.1, 0.1)

    return fit(model, torch.optim.RMSprop(model.parameters(), 1e-3), steps, after=clamp)


def frozen(steps: int) -> str:
    """A frozen part in evaluation mode; two groups."""
    body = nn.Sequential(nn.Linear(64, 32), nn.BatchNorm1d(32), nn.Dropout(0.5))
    head = nn.Linear(32, 10)
    body.requires_grad_(False).eval()
    groups = [{"params": [head.weight], "lr": 0.1}, {"params": [head.bias], "lr": 0.2}]
    return fit(nn.Sequential(body, head), torch.optim.SGD(groups), steps)


def workers(steps: int) -> str:
    model = network()
    data = batches(num_workers=2, persistent_workers=True)
    return fit(model, torch.optim.SGD(model.parameters(), 0.05), steps, data=data)


def evaluated(steps: int) -> str:
    """An evaluation every five steps, which a schedule by plateaus follows."""
    model = nn.Sequential(
        nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.3), nn.Linear(32, 10)
    )
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=1)
    held_out = pictures(1600)[1400:]

    def evaluate(step: int) -> None:
        if step % 5 == 0:
            model.eval()
            with torch.no_grad():
                loss = F.cross_entropy(model(held_out[0]), held_out[1]).item()
            model.train()
            schedule.step(loss)

    return fit(model, optimizer, steps, after=evaluate)


def diffusion(steps: int) -> str:
    """Noise and mixing by the script, in place on the batch."""
    model = nn.Sequential(nn.Linear(65, 64), nn.SiLU(), nn.Linear(64, 64))
    optimizer, losses = torch.optim.AdamW(model.parameters(), 2e-3), []
    for x, _ in batches():
        x.sub_(0.5)
        time, noise = torch.rand(len(x), 1), torch.randn_like(x)
        mixed = (1 - time) * x + time * noise
        loss = ((model(torch.cat([mixed, time], 1)) - noise) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if len(losses) == steps:
            break
    return digest(model, optimizer, losses)


class Checkpointed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.2))
        self.head = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Any:
        from torch.utils.checkpoint import checkpoint

        return self.head(checkpoint(self.body, x, use_reentrant=False))


def checkpointed(steps: int) -> str:
    model = Checkpointed()
    return fit(model, torch.optim.SGD(model.parameters(), 0.05), steps)


class CountingLoss(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, out: Tensor, y: Tensor) -> Any:
        self.calls += 1
        return F.cross_entropy(out, y, label_smoothing=0.2 / self.calls)


def counting_loss(steps: int) -> str:
    """A module with a counter in a plain attribute."""
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    return fit(model, optimizer, steps, loss_of=CountingLoss())


def closure(steps: int) -> str:
    model, losses = network(0.2), []
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    for x, y in batches():

        def evaluate(x: Tensor = x, y: Tensor = y) -> Any:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            return loss

        losses.append(optimizer.step(evaluate).item())
        if len(losses) == steps:
            break
    return digest(model, optimizer, losses)


def bandit(steps: int) -> str:
    """REINFORCE: the data come from the network itself, through numpy."""
    model, losses = nn.Linear(4, 5), []
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(steps):
        state = torch.eye(4)[torch.randint(0, 4, (16,))]
        chosen = torch.distributions.Categorical(logits=model(state))
        action = chosen.sample()
        right = action.numpy() == state.argmax(1).numpy()
        reward = torch.tensor(right.astype("f4"))
        loss = -(chosen.log_prob(action) * (reward - 0.5)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return digest(model, optimizer, losses)


class LossToo(nn.Module):
    """A model that returns its loss as well."""

    def __init__(self) -> None:
        super().__init__()
        self.net = Reader()

    def forward(self, x: Tensor, y: Tensor) -> Any:
        out = self.net(x)
        return out, F.cross_entropy(out.reshape(-1, 40), y.reshape(-1))


def gpt_style(steps: int) -> str:
    """The rate written by hand, accumulation, its own counters."""
    model, tokens, losses = LossToo(), sentences(), []
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, betas=(0.9, 0.95))
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * min(1, (step + 1) / 20) * (0.5 + 0.5 * math.cos(step / 32))
        for _ in range(2):
            rows = torch.randint(0, 512, (8,))
            _, loss = model(tokens[rows, :-1], tokens[rows, 1:])
            loss = loss / 2
            loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
    return digest(model, optimizer, losses)


def huggingface(steps: int) -> str:
    import transformers
    from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

    transformers.logging.set_verbosity_error()
    model = GPT2LMHeadModel(
        GPT2Config(vocab_size=40, n_positions=16, n_embd=32, n_layer=2, n_head=2)
    )
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(None):
        arguments = TrainingArguments(
            folder,
            max_steps=steps,
            per_device_train_batch_size=8,
            gradient_accumulation_steps=2,
            learning_rate=3e-3,
            lr_scheduler_type="cosine",
            warmup_steps=10,
            logging_steps=5,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
        )
        data: Any = [{"input_ids": row, "labels": row} for row in sentences()]
        trainer = Trainer(model, arguments, train_dataset=data)
        trainer.train()
    logged = [entry.get("loss") for entry in trainer.state.log_history]
    optimizer: Any = trainer.optimizer
    return digest(model, getattr(optimizer, "optimizer", optimizer), logged)


def lightning(steps: int) -> str:
    import lightning.pytorch as pl

    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = network(0.2)
            self.losses: list[float] = []

        def training_step(self, batch: Any, index: int) -> Any:
            loss = F.cross_entropy(self.net(batch[0]), batch[1])
            self.log("loss", loss)
            self.losses.append(loss.item())
            return loss

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.AdamW(self.parameters(), 1e-3)
            return [optimizer], [torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 5)]

    module = Module()
    trainer = pl.Trainer(
        max_steps=steps,
        accumulate_grad_batches=2,
        gradient_clip_val=0.5,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
    )
    trainer.fit(module, DataLoader(pictures(), 32, shuffle=True))
    return digest(module, trainer.optimizers[0], module.losses, trainer.global_step)


EXACT = (
    mlp,
    cnn_batchnorm,
    transformer,
    lstm,
    accumulation,
    mixed_precision,
    averaged,
    compiled,
    compiled_loss,
    gan,
    clamped,
    frozen,
    workers,
    evaluated,
    diffusion,
    checkpointed,
    counting_loss,
    closure,
    bandit,
    gpt_style,
    huggingface,
    lightning,
)
"""Trainings whose steps can be replayed."""


def lbfgs(steps: int) -> str:
    model, losses = network(width=16), []
    optimizer = torch.optim.LBFGS(model.parameters(), 0.1, 4)
    for x, y in batches(256):

        def evaluate(x: Tensor = x, y: Tensor = y) -> Any:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            return loss

        losses.append(float(optimizer.step(evaluate)))
        if len(losses) == steps:
            break
    return digest(model, optimizer, losses)


def in_backward(steps: int) -> str:
    """One optimizer a parameter, stepped by hooks."""
    model, losses = network(), []
    optimizers = {p: torch.optim.SGD([p], 0.05) for p in model.parameters()}

    def step(parameter: Tensor) -> None:
        optimizers[parameter].step()  # type: ignore[index]
        optimizers[parameter].zero_grad()  # type: ignore[index]

    for parameter in model.parameters():
        parameter.register_post_accumulate_grad_hook(step)
    for x, y in batches():
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        losses.append(loss.item())
        if len(losses) == steps:
            break
    return digest(model, losses)


def custom_function(steps: int) -> str:
    class Loss(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, out: Any, y: Any) -> Any:
            ctx.save_for_backward(out, y)
            return F.cross_entropy(out, y)

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            out, y = ctx.saved_tensors
            return grad * (out.softmax(-1) - F.one_hot(y, 10)) / len(y), None

    model = network()
    loss_of: Any = Loss.apply
    return fit(model, torch.optim.SGD(model.parameters(), 0.05), steps, loss_of=loss_of)


CALLS = [0]


class Hidden(nn.Module):
    """A module whose state is where nobody can see it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Any:
        CALLS[0] += 1
        return self.layer(x) * (1 + 0.001 * CALLS[0])


def hidden_state(steps: int) -> str:
    model = Hidden()
    return fit(model, torch.optim.SGD(model.parameters(), 0.05), steps)


def reused_buffer(steps: int) -> str:
    """The loader writes each batch into the same memory, past torch."""
    model, losses = network(), []
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    x, y = torch.empty(32, 64), torch.empty(32, dtype=torch.long)
    for new_x, new_y in batches(drop_last=True):
        np.copyto(x.numpy(), new_x.numpy())
        np.copyto(y.numpy(), new_y.numpy())
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if len(losses) == steps:
            break
    return digest(model, optimizer, losses)


REFUSED = {
    lbfgs: "LBFGS",
    in_backward: "inside backward",
    custom_function: "custom autograd.Function",
    hidden_state: "the losses differ",
    reused_buffer: "the losses differ",
}
"""Trainings whose steps cannot be replayed, and what the refusal says."""


class Strict(nn.Module):
    """A loss that raises an error where the network's output is too large."""

    def forward(self, out: Tensor, y: Tensor) -> Any:
        if float(out.detach().abs().max()) > 1e3:
            raise ValueError("the output exploded")
        return F.cross_entropy(out, y)


def strict(steps: int) -> str:
    model = network()
    return fit(model, torch.optim.SGD(model.parameters(), 0.05), steps, loss_of=Strict())


if __name__ == "__main__":
    import sys

    torch.manual_seed(1)
    torch.set_num_threads(1)
    print(globals()[sys.argv[1]](int(sys.argv[2])))
