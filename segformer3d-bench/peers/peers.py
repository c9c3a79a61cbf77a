#!/usr/bin/env python3
"""Times our forward pass beside PyTorch's, ONNX Runtime's and OpenVINO's: same weights, input, cores and threads, one run, alternating.

See README.md in this folder. Every contender that can't be started is reported with the reason and left out.
"""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PYTHON = ["torch-eager", "torch-compile", "onnxruntime", "openvino"]
OURS = ["ours-plain", "ours-fused", "ours-native"]


def prepare(folder, shape):
    """Writes the weights, the input and the ONNX graph; in a process of its own, so that its threads are gone afterwards."""
    code = """
import sys, numpy as np, torch, warnings
warnings.filterwarnings("ignore")
sys.path.insert(0, sys.argv[1])
from network import seeded
from safetensors.torch import save_file
folder, shape = sys.argv[2], [int(n) for n in sys.argv[3].split(",")]
network = seeded()
x = torch.randn(*shape, generator=torch.Generator().manual_seed(2))
save_file(network.state_dict(), folder + "/weights.safetensors")
save_file({"input": x}, folder + "/input.safetensors")
np.save(folder + "/input.npy", x.numpy())
torch.onnx.export(network, (x,), folder + "/model.onnx", input_names=["input"], output_names=["logits"], dynamo=True, verbose=False)
"""
    subprocess.run(
        [sys.executable, "-c", code, str(HERE), folder, ",".join(map(str, shape))], check=True, stdout=subprocess.DEVNULL
    )


class Contender:
    """A process that waits for lines on its standard input."""

    def __init__(self, kind, folder, threads, java):
        self.kind = kind
        environment = dict(os.environ, OMP_NUM_THREADS=str(threads))
        if kind in OURS:
            environment.setdefault("OMP_WAIT_POLICY", "passive")  # as our launcher does
            command = java + ["org.segformer3d.bench.Contender", kind.removeprefix("ours-"), folder, str(threads)]
        else:
            command = [sys.executable, str(HERE / "contender.py"), kind, folder, str(threads)]
        self.log = open(f"{folder}/{kind}.log", "w")
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True, env=environment
        )
        self.times = []

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            log = pathlib.Path(self.log.name).read_text().strip().splitlines()
            raise RuntimeError(log[-1] if log else f"ended with code {self.process.wait()}")
        return line

    def start(self):
        self.versions = json.loads(self.answer())["versions"]

    def ask(self, question):
        print(question, file=self.process.stdin, flush=True)
        return self.answer()

    def peak(self):
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
        return float("nan")

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)


def java():
    class_path = (ROOT / "segformer3d-bench/target/runtime.classpath").read_text().strip()
    home = os.environ.get("JAVA_HOME")
    return [
        f"{home}/bin/java" if home else "java",
        "-Dorg.bytedeco.javacpp.maxPhysicalBytes=0",
        "-Dorg.bytedeco.javacpp.maxBytes=0",
        "-cp",
        f"{ROOT / 'segformer3d-bench/target/classes'}:{class_path}",
    ]


def processor():
    try:
        for line in open("/proc/cpuinfo"):
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    except OSError:
        pass
    return platform.processor()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edge", type=int, default=128, help="edge of the cubic input (default 128)")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=8, help="rounds measured, each contender once a round")
    parser.add_argument("--warmup", type=int, default=2, help="rounds before them")
    parser.add_argument("--contenders", default=",".join(PYTHON + OURS), help="comma-separated")
    parser.add_argument("--output", default="peers", help="writes OUTPUT.md and OUTPUT.json")
    parser.add_argument("--prepared", help="folder to keep weights, graph and compiled code in between runs")
    arguments = parser.parse_args()
    import numpy as np

    shape = (arguments.batch, 4, arguments.edge, arguments.edge, arguments.edge)
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.prepared or scratch
        if not (pathlib.Path(folder) / "model.onnx").exists():
            pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
            prepare(folder, shape)
        if np.load(f"{folder}/input.npy", mmap_mode="r").shape != shape:
            sys.exit(f"{folder} was prepared for another input; use another folder")
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", f"{folder}/inductor")
        running, absent = [], {}
        for kind in arguments.contenders.split(","):
            contender = Contender(kind, folder, arguments.threads, java() if kind in OURS else [])
            try:
                contender.start()  # one after the other: loading and compiling take all cores
                contender.ask("logits")
                running.append(contender)
            except RuntimeError as e:
                absent[kind] = str(e)
                print(f"{kind}: left out: {e}", file=sys.stderr)
        for n in range(arguments.warmup + arguments.rounds):
            for contender in running:
                milliseconds = float(contender.ask("run"))
                if n >= arguments.warmup:
                    contender.times.append(milliseconds)
        reference = np.load(f"{folder}/{running[0].kind}.npy")
        rows = []
        for contender in running:
            logits = np.load(f"{folder}/{contender.kind}.npy").reshape(reference.shape)
            rows.append(
                {
                    "contender": contender.kind,
                    "versions": contender.versions,
                    "best_ms": min(contender.times),
                    "median_ms": statistics.median(contender.times),
                    "peak_mib": contender.peak(),
                    "difference": float(abs(logits - reference).max() / abs(reference).max()),
                }
            )
            contender.close()
    peers = [row["median_ms"] for row in rows if row["contender"] not in OURS]
    best = min(peers) if peers else None
    report = {
        "shape": shape,
        "threads": arguments.threads,
        "rounds": arguments.rounds,
        "processor": processor(),
        "python": platform.python_version(),
        "rows": rows,
        "left_out": absent,
    }
    pathlib.Path(arguments.output + ".json").write_text(json.dumps(report, indent=1) + "\n")
    table = [
        f"{'×'.join(map(str, shape))}, {arguments.threads} thread(s), {report['processor']}, float32,"
        f" {arguments.rounds} rounds",
        "",
        "| contender | versions | best | median | against the best peer | peak memory | largest relative difference |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in sorted(rows, key=lambda row: row["median_ms"]):
        ratio = f"{best / row['median_ms']:.2f}" if best else ""
        table.append(
            f"| {row['contender']} | {row['versions']} | {row['best_ms']:.0f} ms | {row['median_ms']:.0f} ms | {ratio} |"
            f" {row['peak_mib']:.0f} MiB | {row['difference']:.1e} |"
        )
    table += [f"\nLeft out: {kind}: {reason}" for kind, reason in absent.items()]
    text = "\n".join(table) + "\n"
    pathlib.Path(arguments.output + ".md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
