"""A broker with a configuration and folders of its own, as its programs find it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Union

REGION = "eu-west-2"


class Installed:
    """A broker below a folder, which it configures and runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config, self.work = folder / "config", folder / "var"
        self.logs = folder / "logs"
        for made in (self.config, self.work):
            made.mkdir(parents=True, exist_ok=True)

    def configure(self, storage: dict[str, Any], **provider: Any) -> dict[str, Any]:
        """Writes its configuration: how it keeps its state, and what else is said of its
        only provider. Returns the configuration."""
        values = {
            "scheduler": {"type": "default", "config_root": str(self.config)},
            "provider": {
                "providers": [
                    {
                        "name": "aws_test",
                        "type": "aws",
                        "enabled": True,
                        "default": True,
                        "config": {"region": REGION},
                        **provider,
                    }
                ]
            },
            "storage": storage,
        }
        (self.config / "config.json").write_text(json.dumps(values))
        return values

    def engine(self, block: dict[str, Any], **provider: Any) -> dict[str, Any]:
        """The same for state that is kept on the engine."""
        storage = {"strategy": "repo_engine", "repo_engine_strategy": block}
        return self.configure(storage, **provider)

    def environment(self) -> dict[str, str]:
        """What its programs find their configuration by."""
        return {
            **os.environ,
            "ORB_CONFIG_DIR": str(self.config),
            "ORB_WORK_DIR": str(self.work),
            "ORB_LOG_DIR": str(self.logs),
            "ORB_LOG_CONSOLE_ENABLED": "false",
            "AWS_DEFAULT_REGION": REGION,
        }

    def orb(self, words: Union[str, list[str]]) -> "subprocess.CompletedProcess[str]":
        """Runs a command of the broker."""
        words = words.split() if isinstance(words, str) else words
        program = Path(sys.executable).with_name("orb")
        return subprocess.run(
            [program, *words],
            env=self.environment(),
            cwd=self.work,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def log(self) -> str:
        """What its commands have logged."""
        return (self.logs / "orb.log").read_text()
