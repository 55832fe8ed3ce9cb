"""Files of a version in the hands of others: safetensors of PyPI, the verifier of OpenSSF, and back to murmur."""

import base64, hashlib, json, shutil, subprocess, sys
from pathlib import Path
import safetensors, safetensors.numpy
from parties import DATA, MODEL
from reference import Weights


def pulled(federation, node, work):
    """The folder of a version, pulled and verified by murmur; and its manifest."""
    folder = Path(work) / "pulled"
    federation.run("pull", f"{MODEL}@latest", "-o", folder, "--no-cache", "--from", node.pull, "--home",
                   federation.home / "consumer")
    return folder, json.loads((folder / "manifest.json").read_bytes())


def check(report, federation, node, work, rows, labels):
    folder, manifest = pulled(federation, node, work)
    path = folder / "model.safetensors"
    ours = path.read_bytes()
    report.equal(hashlib.sha256(ours).hexdigest(), manifest["file"]["digest"], "digest of the pulled file")
    with safetensors.safe_open(path, "np") as file:
        metadata, names = file.metadata(), list(file.keys())
    report.equal(metadata, {"model": f"{MODEL}@{manifest['version']}"}, "metadata")
    report.equal(sorted(names), [tensor["name"] for tensor in manifest["tensors"]], "names")
    tensors = safetensors.numpy.load_file(path)
    for tensor in manifest["tensors"]:
        found = tensors[tensor["name"]]
        report.equal((list(found.shape), found.dtype.name), (tensor["shape"], "float32"), tensor["name"])
        report.equal(hashlib.sha256(found.tobytes()).hexdigest(), tensor["digest"], f"digest of {tensor['name']}")
    report.check(safetensors.numpy.save(tensors, metadata=metadata) == ours,
                 "found other bytes, expected safetensors to write the file that murmur wrote")
    mixed(report, federation, folder, tensors)
    theirs(report, federation, folder, manifest, tensors, rows, labels)
    model_signature(report, folder)


def mixed(report, federation, folder, tensors):
    """A file that only they can have written: without metadata, and its tensors given in another order."""
    other = folder.parent / "other"
    other.mkdir()
    shutil.copy(folder / "manifest.json", other)
    safetensors.numpy.save_file(dict(reversed(tensors.items())), other / "model.safetensors")
    done = federation.run("inspect", other, check=False)
    report.equal(done.returncode, 0, f"murmur inspect of a file by safetensors: {done.stderr}")
    data = folder.parent / "rows.csv"
    if not data.exists():
        header, *lines = DATA.read_text().splitlines()
        data.write_text("\n".join([header] + lines[4::5]) + "\n")
    own = evaluate(federation, folder, data)
    report.equal(evaluate(federation, other, data), own, "murmur evaluate of a file by safetensors")
    broken = bytearray((other / "model.safetensors").read_bytes())
    broken[0] ^= 1  # The header's length.
    (other / "model.safetensors").write_bytes(broken)
    done = federation.run("evaluate", other, data, "--label", "digit", check=False)
    report.check(done.returncode != 0 and "safetensors" in done.stderr, f"a broken header: found {done.stderr}")


def evaluate(federation, folder, data):
    done = federation.run("evaluate", folder, data, "--label", "digit", "--json")
    document = json.loads(done.stdout)
    return {name: value for name, value in document.items() if name != "model"}


def theirs(report, federation, folder, manifest, tensors, rows, labels):
    """murmur's own accuracy of the weights is NumPy's."""
    probabilities = Weights(manifest, tensors).probabilities(rows)
    accuracy = (probabilities.argmax(axis=1) == labels).mean()
    found = evaluate(federation, folder, folder.parent / "rows.csv")
    report.check(abs(found["accuracy"] - accuracy) < 1e-6, f"accuracy: found {found}, expected {accuracy}")


def model_signature(report, folder):
    """`model_signing verify key` of OpenSSF accepts the folder, and no changed one."""
    if not (folder / "model.sig").exists():
        report.skip("model_signing: found no model.sig in what was pulled")
        return

    def verify(directory):
        return subprocess.run(
            [sys.executable, "-m", "model_signing", "verify", "key", directory, "--signature", directory / "model.sig",
             "--public_key", directory / "signing-key.pem"],
            capture_output=True, text=True, timeout=60)
    done = verify(folder)
    report.check(done.returncode == 0, f"model_signing: found {done.stdout} {done.stderr}, expected success")
    signed = json.loads((folder / "model.sig").read_bytes())["dsseEnvelope"]["payload"]
    names = [one["name"] for one in json.loads(base64.b64decode(signed))["predicate"]["resources"]]
    report.check("model.safetensors" in names and "manifest.json" in names, f"signed: found {names}")
    for name in names:
        changed = folder.parent / "changed"
        shutil.rmtree(changed, ignore_errors=True)
        shutil.copytree(folder, changed)
        content = bytearray((changed / name).read_bytes())
        content[len(content) // 2] ^= 1
        (changed / name).write_bytes(content)
        done = verify(changed)
        report.check(done.returncode != 0, f"model_signing: found it to accept {name} with a changed byte")
