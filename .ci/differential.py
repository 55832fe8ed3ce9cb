"""Random cases for `murmur conformance sa1`, made by the oracle in one process: its start-up would dominate otherwise.

    python3 .ci/differential.py ORACLE FOLDER SEED SECONDS

Writes one file of each kind into FOLDER and prints how many cases each holds. The same seed gives the same cases in the
same order; SECONDS bounds how many of them there are.
"""

import contextlib, importlib.util, io, json, os, random, sys, time


def load(folder, name):
    """A module of the oracle by its path, as if run in its folder."""
    sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(name, os.path.join(folder, name + ".py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def core(rng, oracle, salt, n=None):
    n = n or rng.randint(3, 40)
    t = rng.randint(n // 2 + 1, n)
    dropped = tuple(sorted(rng.sample(range(n), rng.randint(0, n - t))))
    k = rng.choice([16, 24, 32, 64])
    vector = 1 if k == 64 else 0
    return oracle.case("n = %d, t = %d, k = %d" % (n, t, k), n, t, k, rng.randint(1, 40), dropped, salt, vector)


def whole_round(rng, oracle, messages, salt):
    """Organisations within their cap, as many silent and dropped workers as keep a safe survivor set, perhaps a bad dealer."""
    while True:
        n = rng.randint(4, 16)
        organisations = sorted("org%02d" % rng.randint(0, 3 * n) for _ in range(n))
        rng.shuffle(organisations)
        numbers = oracle.thresholds(organisations)
        if "refused" not in numbers:
            break
    missing = rng.sample(range(n), rng.randint(0, numbers["safeForAnyDropouts"]))
    cut = rng.randint(0, len(missing))
    silent, dropped = tuple(sorted(missing[:cut])), tuple(sorted(missing[cut:]))
    bad = None
    if numbers["safeForAnyDropouts"] - len(missing) >= 2 and rng.random() < 0.3:
        bad = tuple(rng.sample([i for i in range(n) if i not in missing], 2))
    suite, k, rotation = rng.choice([1, 2]), rng.choice([16, 24, 32]), rng.random() < 0.5
    name = "n = %d, k = %d%s, suite %d, silent %s, dropped %s, complaint %s" % (
        n, k, " rotated" if rotation else "", suite, silent, dropped, bad)
    return messages.full_round(
        name, organisations, silent, dropped, suite, k, rotation, rng.randint(1, 7), rng.randint(1, 9), bad, salt)


def encoder(rng, messages, salt):
    # The oracle's own cases stay clear of saturation by chance; it asserts so for the lengths above 2.
    return messages.encoder_case(rng.randint(3, 600), rng.choice([16, 24, 32]), rng.randint(2, 12), salt)


def graph(rng, messages, salt):
    return messages.graph_case(rng.randint(257, 1000), salt)


def main():
    folder, out, seed, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    oracle, messages = load(folder, "sa1_oracle"), load(folder, "sa1_messages")
    rng = random.Random(seed)
    # Of every kind its share of the time, whole rounds most.
    kinds = [
        ("core", 0.4, lambda salt: core(rng, oracle, salt)),
        ("round", 0.4, lambda salt: whole_round(rng, oracle, messages, salt)),
        ("encoder", 0.15, lambda salt: encoder(rng, messages, salt)),
        ("graph", 0.05, lambda salt: graph(rng, messages, salt)),
    ]
    for kind, part, make in kinds:
        cases, number, end = [], 0, time.monotonic() + part * seconds
        if kind == "core":  # Every size once, whatever the time allows beyond.
            for n in range(3, 41):
                salt = "differential/%d/core-n/%d/" % (seed, n)
                cases.append(dict(core(rng, oracle, salt, n), salt=salt))
        while not cases or time.monotonic() < end:
            salt = "differential/%d/%s/%d/" % (seed, kind, number)
            cases.append(dict(make(salt), salt=salt))
            number += 1
        with open(os.path.join(out, kind + ".json"), "w") as file:
            json.dump(dict(source="differential.py", protocol="murmuration/sa1", cases=cases), file)
        print("%s: %d cases" % (kind, len(cases)))
    hold = "differential/%d/hold/" % seed
    with contextlib.redirect_stdout(io.StringIO()):
        messages.write(os.path.join(out, "hold-messages.json"), messages.rounds(messages.HOLD, hold))
        messages.write(os.path.join(out, "hold-encoder.json"), messages.encoders([(3, 4), (65, 9), (777, 5)], hold))
        messages.write(os.path.join(out, "hold-refused.json"), messages.refused_cases(hold))
    for name in ("hold-messages", "hold-encoder"):
        path = os.path.join(out, name + ".json")
        with open(path) as file:
            content = json.load(file)
        content["cases"] = [dict(case, salt=hold) for case in content["cases"]]
        with open(path, "w") as file:
            json.dump(content, file)
    print("hold: 3 files")


if __name__ == "__main__":
    main()
