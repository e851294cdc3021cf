#!/usr/bin/env bash
# Reads the container files: the Dockerfile by hadolint, the compose file as YAML, held against the settings
# that configure.sh writes for it. Builds nothing, as there may be no container engine.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
target="${CARGO_TARGET_DIR:-$root/target}"
docker="$root/ops/docker"
lint="$target/venv-lint/bin"

[ -x "$lint/hadolint" ] || { echo "check-docker: hadolint is missing; type: make setup" >&2 && exit 1; }

# DL3008 wants Debian's packages pinned: the image takes its security updates instead.
"$lint/hadolint" --ignore DL3008 "$docker/Dockerfile"
"$lint/shellcheck" "$docker"/*.sh "$root"/scripts/{package,package-test,package-test-inside,check-docker}.sh
mapfile -t copied < <(sed -n 's/^COPY \(--chmod=[0-9]* \)\?\(ops[^ ]*\) .*/\2/p' "$docker/Dockerfile")
for file in "${copied[@]}"; do
    [ -e "$root/$file" ] || { echo "check-docker: the Dockerfile copies $file, which is not there" >&2 && exit 1; }
done

settings="$(mktemp --directory)"
trap 'rm -rf "$settings"' EXIT
"$docker/configure.sh" "$settings/config"
"$lint/python" - "$docker/compose.yaml" "$settings/config" <<'PYTHON'
import pathlib, sys, tomllib, yaml

compose = yaml.safe_load(open(sys.argv[1]))
config = pathlib.Path(sys.argv[2])
services = compose["services"]
read = set()
for name, service in services.items():
    command = service["command"]
    path = pathlib.PurePosixPath(command[-2] if name == "init" else command[-1])
    assert path.parent == pathlib.PurePosixPath("/etc/riquet"), f"{name}: {path}"
    read.add(path.name)
    for volume in service["volumes"]:
        source = volume.split(":")[0]
        assert source.startswith("./") or source in compose["volumes"], f"{name}: no volume {source}"
written = {path.name for path in config.glob("*.toml")}
assert read == written, f"read but not written, or written and not read: {read ^ written}"

ids = set()
for path in config.glob("*.toml"):
    settings = tomllib.loads(path.read_text())
    for disk in settings.get("disks", []):
        assert disk["id"] not in ids, f"{path.name}: the id of its disk is there twice"
        ids.add(disk["id"])
    for address in settings["metadata"]:
        assert address.split(":")[0] in services, f"{path.name}: no service is {address}"
    if path.name != "cluster.toml":
        assert settings["name"] == path.stem, f"{path.name} is of {settings['name']}"
for node in tomllib.loads((config / "cluster.toml").read_text())["nodes"]:
    assert node["name"] in services, f"cluster.toml: no service is {node['name']}"
PYTHON
