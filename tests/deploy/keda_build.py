"""KEDA's prometheus scaler and Kubernetes's autoscaler, built from their Go modules into `target/keda`, once.

KEDA's other scalers are left out: with their clients of clouds and databases they are most of the build. Needs Go.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parents[1] / "target" / "keda"
KEDA, KUBERNETES = "v2.21.0", "v1.36.4"
KEPT = ("prometheus_scaler.go", "scaler.go", "azure_queue_scaler.go")  # the last declares what the first uses
ENVIRONMENT = {**os.environ, "GOFLAGS": "-mod=mod -buildvcs=false"}


def build() -> Path:
    """The program; the first time some ten minutes on two cores."""
    program = FOLDER / "keda-scaler"
    source = HERE / "keda_scaler.go"
    if program.exists() and program.stat().st_mtime > source.stat().st_mtime:
        return program
    (FOLDER / "scaler").mkdir(parents=True, exist_ok=True)
    copy_keda()
    shutil.copy(source, FOLDER / "scaler" / "main.go")
    (FOLDER / "go.mod").write_text(module_file())
    command = ["go", "build", "-p", "2", "-ldflags", "-s -w", "-o", str(program), "./scaler"]
    subprocess.run(command, cwd=FOLDER, env=ENVIRONMENT, check=True)
    return program


def copy_keda() -> None:
    shutil.rmtree(FOLDER / "source", ignore_errors=True)
    module = downloaded(f"github.com/kedacore/keda/v2@{KEDA}")["Dir"]
    shutil.copytree(module, FOLDER / "source", copy_function=shutil.copy)
    for folder in (FOLDER / "source", *(FOLDER / "source").rglob("*")):
        folder.chmod(0o755)  # modules are read-only
    for file in (FOLDER / "source" / "pkg" / "scalers").glob("*.go"):
        if file.name not in KEPT:
            file.unlink()


def module_file() -> str:
    """Kubernetes names its parts by folders of its repository; as modules they have its minor and patch version."""
    text = Path(downloaded(f"k8s.io/kubernetes@{KUBERNETES}")["GoMod"]).read_text()
    parts = re.findall(r"(k8s\.io/\S+) => \./staging", text)
    own = Path(FOLDER / "source" / "go.mod").read_text()
    replaced = re.findall(r"^replace (\S+ \S+ => \S+ \S+)$", own, re.MULTILINE)
    lines = [f"{part} => {part} {KUBERNETES.replace('v1.', 'v0.')}" for part in parts]
    return "\n".join(
        [
            *("module scaler", "go 1.26.0", f"require github.com/kedacore/keda/v2 {KEDA}"),
            *(f"require k8s.io/kubernetes {KUBERNETES}", "replace github.com/kedacore/keda/v2 => ./source"),
            *(f"replace {line}" for line in [*replaced, *lines]),
            "",
        ]
    )


def downloaded(version: str) -> dict[str, str]:
    command = ["go", "mod", "download", "-json", version]
    done = subprocess.run(command, env=ENVIRONMENT, cwd=FOLDER, check=True, capture_output=True)
    return dict(json.loads(done.stdout))
