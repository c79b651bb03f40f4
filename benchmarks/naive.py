"""The same mathematics as a run of ours, written the way the published codes write it: what `step` compares with.

The networks lie as torch lays them out; the teacher's weights ask for gradients; hooks take the statistics of its
BatchNorm layers in every pass; the student's images are made with a graph that is thrown away; a crop goes image by
image, kept images are stacked one by one, and losses are read at each step. It draws the same random numbers.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from types import SimpleNamespace

import torch
from naive_nets import Normalised, Watched, generator
from naive_terms import Terms
from torch import Tensor, nn

from dfkd_ray.parts.sources.lifecycles import fresh
from dfkd_ray.parts.views.crop import Crop
from dfkd_ray.train.run import Run
from dfkd_ray.util.seeding import stream_seed


class Naive:
    """A twin of a run that has not begun; `round` is an epoch of one round. losses: the totals of all steps."""

    def __init__(self, run: Run) -> None:
        self.run, self.method, self.spec, self.setting = run, run.method, run.method.source, run.setting
        self.batch = run.method.schedule.batch
        self.terms = Terms(run)
        self.teacher = Watched(run.teacher, statistics=True)
        self.student = Watched(run.student)
        self.net = generator(run.source.net, self.spec, run.setting)
        self.optimizer = self._adam()
        learned = [*self.student.net.parameters(), *_parameters(self.terms.match, self.terms.orders)]
        sgd = self.method.student.optimizer
        self.sgd = torch.optim.SGD(learned, lr=sgd.lr, momentum=sgd.momentum, weight_decay=sgd.weight_decay)
        self.to_data, self.rng = Normalised(run.setting).to(run.device), torch.Generator(run.device)
        self.pool: list[list[tuple[Tensor, ...]]] = []  # of each depth (0 for images), batch by batch
        self.kept: Tensor | None = None
        self.maps: list[Tensor] = []
        self.epoch, self.losses = 0, list[float]()

    def round(self, between: Callable[[], object] = lambda: None) -> None:
        """Steps of the source, then `between()`, then those of the student."""
        self.epoch += 1
        torch.manual_seed(stream_seed(self.run.seed, "torch", self.epoch))
        self.rng.manual_seed(stream_seed(self.run.seed, "epoch", self.epoch))
        plan = self.method.schedule
        self._synthesise(plan.source_steps)
        between()
        self._refill()
        rate = self.method.student.optimizer.lr * self.method.student.lr_schedule((self.epoch - 1) / plan.epochs)
        self.sgd.param_groups[0]["lr"] = rate
        self.student.net.train()
        for step in range(plan.student_steps):
            self._learn(step)

    # the source

    def _synthesise(self, steps: int) -> None:
        spec, kind = self.spec, type(self.spec.lifecycle).__name__
        if kind == "Renew" and self.epoch > 1:
            self.net = fresh(
                lambda: generator(spec.build(self.setting).to(self.run.device), spec, self.setting), self.rng
            )
            self.optimizer = self._adam()
        if kind == "Forget":
            self.optimizer = self._adam()
        slow, slow_optimizer = self.net, self.optimizer
        if kind == "Meta":
            slow_optimizer.zero_grad()
            self.net = copy.deepcopy(slow)
            self.optimizer = self._adam()
        self.net.train()
        self.student.net.train(self.method.schedule.student_in_synthesis == "train")
        z, labels, optimizers = self._latent()
        best, batch = float("inf"), SimpleNamespace()
        for step in range(steps):
            if step and spec.latent_lr is None:
                z, labels, _ = self._latent()
            maps = self.net.maps(z) if self._exchanges else []
            images = self.net.decode(maps[-1], len(maps) - 1) if maps else self.net(z)
            seen, adversary = self._views("synthesis", images), "adversarial" in self.method.source_loss.parts
            batch = self._seen(seen, labels, self.teacher(seen), self.student(seen) if adversary else None)
            loss = self.terms.total("source", batch)
            self.losses.append(loss.item())
            if spec.gives == "last" or (spec.gives == "best" and self.losses[-1] < best):
                best, self.kept, self.maps = self.losses[-1], images.detach(), [each.detach() for each in maps]
            for each in (self.optimizer, *optimizers):
                each.zero_grad()
            loss.backward()
            if kind == "Meta":
                for p, own in zip(slow.parameters(), self.net.parameters()):
                    p.grad = own.grad.clone() if p.grad is None else p.grad + own.grad
            for each in (self.optimizer, *optimizers):
                each.step()
        self.terms.settle(batch)
        if kind == "Meta":
            self.net, self.optimizer = slow, slow_optimizer
            slow_optimizer.param_groups[0]["lr"] = spec.lifecycle.lr or steps * spec.optimizer.lr
            slow_optimizer.step()

    def _adam(self) -> torch.optim.Optimizer:
        adam = self.spec.optimizer
        return torch.optim.Adam(
            [*self.net.parameters(), *_parameters(self.terms.project)], lr=adam.lr, betas=adam.betas
        )

    def _latent(self) -> tuple[Tensor, Tensor | None, list[torch.optim.Optimizer]]:
        spec, device, labels = self.spec, self.run.device, None
        z = torch.randn(self.batch, spec.latent, generator=self.rng, device=device)
        if spec.labels == "uniform":
            labels = torch.randint(self.setting.classes, (self.batch,), generator=self.rng, device=device)
        elif spec.labels == "balanced":
            first = torch.randint(self.setting.classes, (1,), generator=self.rng, device=device)
            labels = (torch.arange(self.batch, device=device) + first) % self.setting.classes
        if not spec.latent_lr:
            return z, labels, []
        z.requires_grad_()
        return z, labels, [torch.optim.Adam([z], lr=spec.latent_lr, betas=spec.optimizer.betas)]

    # the student

    @property
    def _exchanges(self) -> bool:
        return hasattr(self.method.memory, "p")

    def _refill(self) -> None:
        if not hasattr(self.method.memory, "capacity") or self.kept is None:
            return
        entries = self.maps if self._exchanges else [self.kept]
        self.pool = self.pool or [[] for _ in entries]
        for held, each in zip(self.pool, entries):
            held.extend(each.half())
            del held[: -self.method.memory.capacity]
        if self._exchanges:
            self.seed = int(torch.randint(2**31, (), generator=self.rng, device=self.run.device))

    def _images(self, step: int) -> Tensor:
        if self._exchanges:
            dice = random.Random(f"{self.seed}/{step}")
            depth = dice.randrange(len(self.pool))
            maps = self._drawn(depth)
            if dice.random() < self.method.memory.p:
                maps = self._exchanged(maps)
            self.net.eval()
            return self.net.decode(maps, depth).detach()
        if self.pool:
            return self._drawn(0)
        if self.kept is not None:
            return self.kept
        self.net.train()
        return self.net(self._latent()[0]).detach()

    def _drawn(self, depth: int) -> Tensor:
        held = self.pool[depth]
        rows = torch.randint(len(held), (self.batch,), generator=self.rng, device=self.run.device).tolist()
        return torch.stack([held[row].to(torch.get_default_dtype()) for row in rows])

    def _exchanged(self, maps: Tensor) -> Tensor:
        order = torch.rand(*maps.shape[:2], generator=self.rng, device=maps.device).argsort(1)
        own = (order < maps.shape[1] // 2).to(maps.dtype)[:, :, None, None]
        return own * maps + (1 - own) * maps.flip(0)

    def _learn(self, step: int) -> None:
        images = self._views("student", self._images(step))
        with torch.set_grad_enabled("grad_cam" in self.method.student_loss.parts):
            t = self.teacher(images)
        batch = self._seen(images, None, t, self.student(images))
        loss = self.terms.total("student", batch)
        self.losses.append(loss.item())
        self.sgd.zero_grad()
        loss.backward()
        self.sgd.step()

    # both

    def _seen(self, images: Tensor, labels: Tensor | None, t: Tensor, s: Tensor | None) -> SimpleNamespace:
        return SimpleNamespace(images=images, labels=labels, teacher=self.teacher, student=self.student, t=t, s=s)

    def _views(self, phase: str, images: Tensor) -> Tensor:
        chain = getattr(self.method.views, phase)
        if not chain:
            return images
        x = self.to_data(images, back=True)
        for view in chain:
            x = self._crop(x, view.padding) if isinstance(view, Crop) else self._flip(x, view.p)
        return self.to_data(x)

    def _crop(self, x: Tensor, padding: int) -> Tensor:
        height, width = x.shape[2:]
        padded = nn.functional.pad(x, [padding] * 4)
        tops, lefts = torch.randint(2 * padding + 1, (2, len(x)), generator=self.rng, device=x.device).tolist()
        cut = (image[:, top : top + height, left : left + width] for image, top, left in zip(padded, tops, lefts))
        return torch.stack(list(cut))

    def _flip(self, x: Tensor, p: float) -> Tensor:
        chosen = (torch.rand(len(x), generator=self.rng, device=x.device) < p).tolist()
        return torch.stack([image.flip(2) if turned else image for image, turned in zip(x, chosen)])


def _parameters(*modules: nn.Module | None) -> list[nn.Parameter]:
    return [p for module in modules if module is not None for p in module.parameters() if p.requires_grad]
