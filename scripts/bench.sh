#!/usr/bin/env bash
# Measures a whole cluster: starts one in a temporary folder, loads it, and removes it again.
# Options go to every `riquet bench` (for example --json or --duration 30s).
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
riquet="${RIQUET_BIN_DIR:-${CARGO_TARGET_DIR:-$root/target}/release}/riquet"
port="${PORT:-9100}"

dir="$(mktemp -d "${TMPDIR:-/tmp}/riquet-bench.XXXXXX")"
finish() {
    "$riquet" dev down --dir "$dir" || true
    rm -rf "$dir"
}
trap finish EXIT
trap 'exit 130' INT TERM

"$riquet" dev up --dir "$dir" --port "$port" --detach >/dev/null
# shellcheck source=/dev/null
. "$dir/env"

load() { "$riquet" bench "$@" --dir "$dir"; }

load put --size 64MiB --concurrency 4 "$@"
load get --size 64MiB --concurrency 4 "$@"
for concurrency in 1 32; do
    load put --size 4KiB --concurrency "$concurrency" "$@"
    load get --size 4KiB --concurrency "$concurrency" "$@"
done
