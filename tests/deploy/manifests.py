"""The ScaledObjects that hydra's files and guide show."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]


def scaled_object() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "deploy" / "kubernetes" / "keda.yaml").read_text()))


def guide_scaled_object() -> dict[str, Any]:
    text = (ROOT / "docs" / "guides" / "scaling.md").read_text()
    [block] = re.findall(r"```text\n(apiVersion: .*?)```", text, re.DOTALL)
    return dict(yaml.safe_load(block))
