"""Proxies that the router is compared with, where they are installed.

nginx is Debian's. The others are looked for in virtual environments of their own below one folder:
`vllm-router` (vllm-router 0.1.17), `kserve` (kserve 0.21.0) and `litellm` (litellm[proxy] 1.106.2;
1.107.0 was compromised, so never take the newest without looking).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

NGINX = """\
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  keepalive_requests 100000000;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream engine {{ server 127.0.0.1:{backend}; keepalive 128; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://engine;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }}
  }}
}}
"""


@dataclass(frozen=True)
class Reference:
    """One proxy: how it is started, where it takes the same body, or why it is left out."""

    name: str
    command: tuple[str, ...] = ()
    path: str = "/v1/chat/completions"
    streams: bool = True
    skipped: str = ""
    environment: tuple[tuple[str, str], ...] = ()


def references(
    *, backend: int, ports: Callable[[], int], folder: Path, installed: Path | None
) -> list[tuple[Reference, int]]:
    """Each with its port; `installed` is the folder of the virtual environments."""
    found = []
    for build in (_nginx, _vllm_router, _kserve, _litellm):
        port = ports()
        found.append((build(backend, port, folder, installed), port))
    return found


def _nginx(backend: int, port: int, folder: Path, installed: Path | None) -> Reference:
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        return Reference("nginx", skipped="no nginx on the PATH: apt-get install nginx-light")
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, backend=backend, port=port))
    return Reference("nginx", (program, "-c", str(config)))


def _vllm_router(backend: int, port: int, folder: Path, installed: Path | None) -> Reference:
    program = _program(installed, "vllm-router", "vllm-router")
    if program is None:
        return Reference("vllm-router", skipped=_missing("vllm-router", "vllm-router==0.1.17"))
    command = [program, "--host", "127.0.0.1", "--port", str(port), "--policy", "round_robin"]
    command += ["--worker-urls", f"http://127.0.0.1:{backend}", "--log-level", "error"]
    return Reference("vllm-router", tuple(command))


def _kserve(backend: int, port: int, folder: Path, installed: Path | None) -> Reference:
    program = _program(installed, "kserve", "python")
    if program is None:
        skipped = _missing("kserve", "kserve==0.21.0")
        return Reference("kserve transformer", skipped=skipped)
    script = Path(__file__).with_name("kserve_transformer.py")
    command = [program, str(script), "--http_port", str(port), "--model_name", "gold"]
    command += ["--predictor_host", f"127.0.0.1:{backend}", "--enable_grpc", "false"]
    path = "/v1/models/gold:predict"
    return Reference("kserve transformer", tuple(command), path=path, streams=False)


def _litellm(backend: int, port: int, folder: Path, installed: Path | None) -> Reference:
    program = _program(installed, "litellm", "litellm")
    if program is None:
        return Reference("litellm", skipped=_missing("litellm", "litellm[proxy]==1.106.2"))
    engine = {"model": "openai/gold", "api_base": f"http://127.0.0.1:{backend}/v1", "api_key": "x"}
    config = folder / "litellm.yaml"
    models = [{"model_name": "gold", "litellm_params": engine}]
    loose = {"dangerously_permit_weak_or_unset_master_key": True}  # it listens on loopback only
    config.write_text(yaml.safe_dump({"model_list": models, "general_settings": loose}))
    command = [program, "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    environment = (("LITELLM_LOCAL_MODEL_COST_MAP", "True"),)  # else it asks the internet
    return Reference("litellm", (*command, "--num_workers", "1"), environment=environment)


def _program(installed: Path | None, environment: str, name: str) -> str | None:
    if installed is None:
        return shutil.which(name) if name != "python" else None
    program = installed / environment / "bin" / name
    return str(program) if program.exists() else None


def _missing(environment: str, package: str) -> str:
    return (
        f"not installed: python -m venv DIR/{environment}; pip install '{package}'; --installed DIR"
    )
