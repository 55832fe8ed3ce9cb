"""Writes networks.json beside this file: what PyTorch makes of networks that GradientKernel must compute alike.

    python3 -m venv venv && venv/bin/pip install torch numpy && venv/bin/python make_vectors.py

Parameters, features and targets are rounded to float32 and everything after that is float64, so the vectors are the
truth to float32. The same bytes every time with the same version of PyTorch.

A case has: name, architecture (canonical text), batch, features, labels or targets (a label per row: an example, or
a time step of one), tensors, outputs (logits, row-major), loss (mean), gradients (of that mean), and steps: a rule and
the parameters after three steps by it on the same batch.
A rule has: method (sgd, adam or adamw), learningRate, of Adam beta1, beta2 and epsilon, and what it uses of momentum,
nesterov, weightDecay, proximal, clipNorm and exampleClipNorm. Norms are bounded first, by min(1, bound / norm) without
PyTorch's epsilon; the proximal term and the weight decay come after that.

Tolerance: TOLERANCE below, on max|a - b| / max(1, |b|). The script measures what PyTorch's own float32 differs by, and
fails if that is more than a quarter of it, or if two rules of a case end within ten times of it. Gradients are small,
so max|a - b| / max|b| of each tensor, printed in brackets, says more of them: 5e-6 is right for that too. No case sits
near a kink, where float32 may take the other side.
"""
import copy, json, os
import torch
from torch import nn
from torch.nn import functional as F

TOLERANCE = {"outputs": 5e-6, "loss": 2e-6, "gradients": 5e-6, "steps": 5e-6}
MARGIN = 1e-3  # Of every ReLU and max-pool from its kink, in the batch as given.
STEP_MARGIN = 1e-5  # The same, in the second and third step.
ADAM_GRADIENT = 2e-6  # Adam divides by the gradient's size: each is this large, or exactly zero.
ZEROS = 0.15  # The most gradients that may be zero behind dead ReLUs, where they would test little.
STEPS = 3

SGD = {"method": "sgd", "learningRate": 0.1}
ADAM = {"method": "adam", "learningRate": 0.01, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
HALF = "half"  # A bound that about half of the examples exceed, chosen case by case.
MOMENTUM = SGD | {"momentum": 0.9}
NESTEROV = MOMENTUM | {"nesterov": True}
EXAMPLES = SGD | {"exampleClipNorm": HALF}
ALL_RULES = [
    SGD, MOMENTUM, NESTEROV, SGD | {"weightDecay": 0.01}, ADAM, ADAM | {"weightDecay": 0.01},
    ADAM | {"method": "adamw", "weightDecay": 0.1}, SGD | {"clipNorm": 0.5}, SGD | {"proximal": 0.3}, EXAMPLES,
]
COMBINED_RULES = [
    NESTEROV | {"learningRate": 0.05, "weightDecay": 0.01, "proximal": 0.3, "clipNorm": 0.5},
    SGD | {"weightDecay": 0.01, "proximal": 0.3, "exampleClipNorm": HALF},
    MOMENTUM | {"exampleClipNorm": HALF, "clipNorm": 0.1},
    ADAM | {"method": "adamw", "weightDecay": 0.1, "proximal": 0.3, "exampleClipNorm": HALF},
]

CASES = [  # name, architecture, batch, rules
    ("one dense layer", "mlp 3-2", 1, [SGD]),
    ("multilayer perceptron", "mlp 6-9-7-4", 7, ALL_RULES + COMBINED_RULES),
    ("label smoothing",
     "features 20 > dense 33 > tanh > dense 17 > sigmoid > dense 4 : softmax-cross-entropy 0.1", 6, []),
    ("regression", "features 7 > dense 5 > tanh > dense 3 : mean-squared-error", 5, [MOMENTUM, EXAMPLES]),
    ("binary classes", "features 7 > dense 5 > relu > dense 1 : binary-cross-entropy", 6, [ADAM, EXAMPLES]),
    ("convolutions and max-pools",
     "image 1x8x9 > conv2d 5 3x3 pad 1 > relu > max-pool 2x2 > conv2d 20 3x3 pad 1 > relu > max-pool 2x2 > flatten"
     " > dense 6 > relu > dense 3", 3, [EXAMPLES]),
    ("strided convolutions",
     "image 3x9x8 > conv2d 6 3x3 stride 2 pad 1 > tanh > conv2d 7 4x4 stride 3 pad 2 > sigmoid > flatten > dense 3",
     4, [EXAMPLES]),
    ("average-pool",
     "image 2x7x7 > conv2d 6 3x3 > average-pool 2x2 > relu > conv2d 17 2x2 stride 2 > flatten > dense 3", 5, []),
    ("overlapping max-pool",
     "image 2x9x8 > conv2d 4 3x3 > relu > max-pool 3x3 stride 2 > flatten > dense 3", 4, ALL_RULES),
    ("max-pools with steps of one",
     "image 1x7x8 > conv2d 5 3x3 pad 1 > max-pool 3x3 stride 1 > tanh > conv2d 3 2x2 > relu > max-pool 3x2 stride 1x2"
     " > flatten > dense 4", 3, []),
    ("pools that skip",
     "image 2x8x9 > conv2d 3 2x2 > max-pool 2x2 stride 3 > relu > average-pool 1x2 stride 2x1 > flatten > dense 3",
     4, []),
    ("asymmetric windows",
     "image 2x7x9 > conv2d 4 2x3 stride 1x2 pad 1x0 > relu > average-pool 3x2 stride 2x1 > conv2d 3 3x2 pad 2x1"
     " > sigmoid > flatten > dense 3", 4, [EXAMPLES]),
    ("image regression", "image 1x5x6 > conv2d 3 3x3 pad 1 > relu > flatten > dense 2 : mean-squared-error", 3, []),
    ("two LSTMs", "tokens 6 of 7 > embedding 5 > lstm 9 > lstm 17 > dense 7", 3, [EXAMPLES]),
    ("last step", "tokens 5 of 20 > embedding 5 > lstm 6 > last-step > dense 4 > relu > dense 3", 4, ALL_RULES),
    ("dense layers on sequences",
     "tokens 4 of 9 > embedding 3 > dense 6 > relu > lstm 8 > dense 5 > tanh > dense 9 : softmax-cross-entropy 0.2",
     5, [MOMENTUM]),
    ("sequence regression", "tokens 7 of 6 > embedding 4 > lstm 5 > last-step > dense 2 : mean-squared-error", 4, []),
]


# Networks


class LSTM(nn.LSTM):
    """With one bias, and all its outputs as the result."""

    def __init__(self, inputs, units):
        super().__init__(inputs, units, batch_first=True)
        nn.init.zeros_(self.bias_hh_l0).requires_grad_(False)

    def forward(self, x):
        return super().forward(x)[0]


class LastStep(nn.Module):
    def forward(self, x):
        return x[:, -1]


def extent(text):
    sides = [int(side) for side in text.split("x")]
    return (sides[0], sides[-1])


def layer(text, x):
    """The module of one layer's text, for inputs such as x."""
    kind, *words = text.split()
    number = int(words[0]) if words and words[0].isdigit() else None
    option = {a: extent(b) for a, b in zip(words, words[1:]) if a in ("stride", "pad")}
    match kind:
        case "dense": return nn.Linear(x.shape[-1], number)
        case "conv2d":
            return nn.Conv2d(
                x.shape[1], number, extent(words[1]), stride=option.get("stride", 1), padding=option.get("pad", 0))
        case "max-pool": return nn.MaxPool2d(extent(words[0]), stride=option.get("stride"))
        case "average-pool": return nn.AvgPool2d(extent(words[0]), stride=option.get("stride"))
        case "relu": return nn.ReLU()
        case "tanh": return nn.Tanh()
        case "sigmoid": return nn.Sigmoid()
        case "flatten": return nn.Flatten()
        case "lstm": return LSTM(x.shape[-1], number)
        case "last-step": return LastStep()
    raise ValueError(text)


def network(architecture):
    """The modules of an architecture, its loss, and its input: a shape, and a vocabulary or None."""
    if architecture.startswith("mlp "):
        first, *widths = architecture.removeprefix("mlp ").split("-")
        architecture = f"features {first} > " + " > relu > ".join(f"dense {width}" for width in widths)
    stack, _, loss = architecture.partition(" : ")
    (kind, size, *rest), *layers = [text.split() for text in stack.split(" > ")]
    shape = [int(side) for side in size.split("x")]
    vocabulary = int(rest[1]) if kind == "tokens" else None
    x = torch.zeros(1, *shape, dtype=torch.long if vocabulary else None)
    modules = []
    for words in layers:
        embeds = words[0] == "embedding"
        modules.append(nn.Embedding(vocabulary, int(words[1])) if embeds else layer(" ".join(words), x))
        x = modules[-1](x)
    return nn.Sequential(*modules), loss or "softmax-cross-entropy", (shape, vocabulary)


def parameters(model):
    """Trained parameters by their names in an update vector."""
    found, weighted = {}, 0
    for module in model:
        own = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
        for name, p in own:
            found[f"layer{weighted}." + name.replace("bias_ih_l0", "bias").removesuffix("_l0")] = p
        weighted += bool(own)
    return found


def mean_loss(loss, outputs, labels):
    kind, *smoothing = loss.split()
    outputs = outputs.flatten(0, -2)
    match kind:
        case "softmax-cross-entropy":
            return F.cross_entropy(outputs, labels, label_smoothing=float(smoothing[0]) if smoothing else 0.0)
        case "mean-squared-error": return F.mse_loss(outputs, labels.reshape(outputs.shape))
        case "binary-cross-entropy":
            return F.binary_cross_entropy_with_logits(outputs[:, 0], labels.to(outputs.dtype))
    raise ValueError(loss)


# Checks


class Unsuitable(Exception):
    """These numbers make a poor test; others may do."""


def require(condition, why):
    if not condition: raise Unsuitable(why)


def check_kinks(model, x, margin):
    after_relu = False
    for module in model:
        if isinstance(module, nn.ReLU):
            require(x.abs().min() > margin, "a ReLU near zero")
        if isinstance(module, nn.MaxPool2d):
            windows = F.unfold(x.flatten(0, 1)[:, None], module.kernel_size, stride=module.stride)
            first, second = windows.topk(2, dim=1).values.unbind(1)
            # Where all are zero after a ReLU, no gradient comes through whichever is chosen.
            blocked = (first == 0) if after_relu else torch.zeros_like(first, dtype=torch.bool)
            require(((first - second > margin) | blocked).all(), "two numbers near the maximum")
        after_relu = isinstance(module, nn.ReLU)
        x = module(x)


# Gradients and steps


def gradient(model, loss, x, labels):
    return torch.autograd.grad(mean_loss(loss, model(x), labels), list(parameters(model).values()))


def norm(gradients):
    return torch.cat([g.flatten() for g in gradients]).norm().item()


def clipped(gradients, bound):
    factor = min(1, bound / norm(gradients))
    return [g * factor for g in gradients]


def example_gradients(model, loss, x, labels):
    each = len(labels) // len(x)
    return [gradient(model, loss, x[i:i + 1], labels[i * each:(i + 1) * each]) for i in range(len(x))]


def half_bound(model, loss, x, labels):
    norms = sorted(norm(g) for g in example_gradients(model, loss, x, labels))
    below, above = norms[(len(norms) - 1) // 2], norms[(len(norms) + 1) // 2]
    bound = float(f"{(below + above) / 2:.2g}")
    require(below < bound < above, "norms too close for a round bound")
    return bound


def optimizer(rule, trained):
    options = {"lr": rule["learningRate"], "weight_decay": rule.get("weightDecay", 0)}
    if rule["method"] == "sgd":
        return torch.optim.SGD(
            trained, momentum=rule.get("momentum", 0), nesterov=rule.get("nesterov", False), **options)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[rule["method"]]
    return kind(trained, betas=(rule["beta1"], rule["beta2"]), eps=rule["epsilon"], **options)


def after_steps(model, rule, loss, x, labels):
    """The parameters after the steps of a rule."""
    model = copy.deepcopy(model)
    trained = list(parameters(model).values())
    anchors = [p.detach().clone() for p in trained]
    stepper = optimizer(rule, trained)
    for step in range(STEPS):
        check_kinks(model, x, STEP_MARGIN)
        if bound := rule.get("exampleClipNorm"):
            each = [clipped(g, bound) for g in example_gradients(model, loss, x, labels)]
            gradients = [sum(parts) / len(x) for parts in zip(*each)]
        else:
            gradients = gradient(model, loss, x, labels)
        if bound := rule.get("clipNorm"):
            require(step > 0 or norm(gradients) > 1.05 * bound, "a bound that bounds nothing")
            gradients = clipped(gradients, bound)
        for p, g, anchor in zip(trained, gradients, anchors):
            p.grad = g + rule.get("proximal", 0) * (p.detach() - anchor)
            if rule["method"] != "sgd":
                whole = p.grad + (rule.get("weightDecay", 0) * p.detach() if rule["method"] == "adam" else 0)
                require(((whole == 0) | (whole.abs() > ADAM_GRADIENT)).all(), "a gradient too small for Adam")
        stepper.step()
    return {name: p.detach() for name, p in parameters(model).items()}


# Cases


def rounded(values):
    return values.float().double()


def draw(model, loss, shape, vocabulary, batch, random):
    """Fills in the parameters; returns features and labels."""

    def normal(*shape):
        return rounded(torch.randn(*shape, generator=random))

    with torch.no_grad():
        for module in model:
            for p in module.parameters():
                if not p.requires_grad: continue
                scale = 0.2 if p.dim() == 1 else min(1, (2 * len(p) / p.numel()) ** 0.5)
                p.copy_(rounded(normal(*p.shape) * (1 if isinstance(module, nn.Embedding) else scale)))
    x = torch.randint(vocabulary, (batch, *shape), generator=random) if vocabulary else normal(batch, *shape)
    outputs = model(x)
    rows, width = outputs.flatten(0, -2).shape
    if loss.startswith("mean"): return x, normal(rows, width)
    return x, torch.randint(max(2, width), (rows,), generator=random)


def results(model, loss, x, labels, rules):
    outputs = model(x)
    return {
        "outputs": outputs.detach(), "loss": mean_loss(loss, outputs, labels).detach(),
        "gradients": dict(zip(parameters(model), gradient(model, loss, x, labels))),
        "steps": [after_steps(model, rule, loss, x, labels) for rule in rules],
    }


def make(architecture, batch, rules):
    """The first suitable numbers: model, features, labels, rules and float64 results, and float32 results."""
    reasons = set()
    for seed in range(5000):
        model, loss, (shape, vocabulary) = network(architecture)
        x, labels = draw(model, loss, shape, vocabulary, batch, torch.Generator().manual_seed(seed))
        try:
            check_kinks(model, x, MARGIN)
            flat = torch.cat([g.flatten() for g in gradient(model, loss, x, labels)][1 if vocabulary else 0:])
            require((flat == 0).double().mean() < ZEROS, "too many gradients of zero")
            bounded = [dict(rule) for rule in rules]
            for rule in bounded:
                if rule.get("exampleClipNorm") == HALF: rule["exampleClipNorm"] = half_bound(model, loss, x, labels)
            single = [t.float() if t.is_floating_point() else t for t in (x, labels)]
            return (model, x, labels, bounded, results(model, loss, x, labels, bounded),
                    results(copy.deepcopy(model).float(), loss, *single, bounded))
        except Unsuitable as reason:
            reasons.add(str(reason))
    raise SystemExit(f"{architecture}: no suitable numbers: {', '.join(sorted(reasons))}")


def leaves(value):
    """All tensors in nested dictionaries and lists."""
    if isinstance(value, torch.Tensor): return [value]
    return [leaf for part in (value.values() if isinstance(value, dict) else value) for leaf in leaves(part)]


def difference(found, expected):
    """The largest, relative above 1; and the largest relative to the largest number of a tensor."""
    pairs = [(a.double(), b) for a, b in zip(leaves(found), leaves(expected))]
    return (max([((a - b).abs() / b.abs().clamp(min=1)).max().item() for a, b in pairs], default=0),
            max([((a - b).abs().max() / b.abs().max()).item() for a, b in pairs if b.any()], default=0))


def numbers(values):
    if not values.is_floating_point(): return values.flatten().tolist()
    return [float(f"{value:.9g}") for value in values.flatten().tolist()]


def main():
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    cases, worst = [], {}
    for name, architecture, batch, rules in CASES:
        model, x, labels, rules, expected, single = make(architecture, batch, rules)
        cases.append({
            "name": name, "architecture": architecture, "batch": batch, "features": numbers(x),
            "targets" if labels.is_floating_point() else "labels": numbers(labels),
            "tensors": {n: {"shape": list(p.shape), "values": numbers(p)} for n, p in parameters(model).items()},
            "outputs": numbers(expected["outputs"]), "loss": numbers(expected["loss"])[0],
            "gradients": {n: numbers(g) for n, g in expected["gradients"].items()},
            "steps": [{"rule": rule, "parameters": {n: numbers(p) for n, p in after.items()}}
                      for rule, after in zip(rules, expected["steps"])],
        })
        found = {part: difference(single[part], expected[part]) for part in TOLERANCE}
        print(f"{name:28}", *(f"{part} {a:.1e} ({b:.1e})" for part, (a, b) in found.items()))
        for i, after in enumerate(expected["steps"]):
            for j in range(i):
                if difference(after, expected["steps"][j])[0] < 10 * TOLERANCE["steps"]:
                    raise SystemExit(f"{name}: {rules[j]} and {rules[i]} end alike")
        worst = {part: max(worst.get(part, 0), found[part][0]) for part in TOLERANCE}
    for part, most in TOLERANCE.items():
        if worst[part] > most / 4: raise SystemExit(f"{part}: float32 differs by {worst[part]:.1e} of {most:.0e}")
    tolerance = "max|a - b| / max(1, |b|): " + ", ".join(
        f"{part} {most:.0e} (PyTorch in float32: {worst[part]:.1e})" for part, most in TOLERANCE.items())
    vectors = {"origin": {"torch": torch.__version__, "script": "make_vectors.py", "tolerance": tolerance},
               "cases": cases}
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "networks.json")
    with open(path, "w") as out:
        json.dump(vectors, out, separators=(",", ":"), allow_nan=False)
        out.write("\n")
    size = os.path.getsize(path)
    print(f"{size} bytes, {len(cases)} cases; {tolerance}")
    if size >= 600_000: raise SystemExit("networks.json is too large")


if __name__ == "__main__":
    main()
