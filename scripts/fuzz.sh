#!/usr/bin/env bash
# Fuzzes each target (or those named) for FUZZ_SECONDS, with the address sanitizer. FUZZ_SEED sets
# libFuzzer's seed. Every run begins anew, from some zeros and what fuzz/seeds/TARGET holds.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
target="${CARGO_TARGET_DIR:-$PWD/target}"
seconds="${FUZZ_SECONDS:-60}"
export PATH="$target/tools/bin:$PATH"
# The sanitizer's flags are called unstable; this has the release compiler take them, so that no
# nightly is needed.
export RUSTC_BOOTSTRAP=1

targets=("$@")
[ "${#targets[@]}" -gt 0 ] || mapfile -t targets < <(cargo fuzz list)
# Not 0, which libFuzzer takes for any.
seed="${FUZZ_SEED:-$((SRANDOM % 1000000000 + 1))}"

mkdir -p "$target/fuzz"
corpus="$(mktemp -d "$target/fuzz/corpus.XXXXXX")"
trap 'rm -rf "$corpus"' EXIT

cargo fuzz build --target-dir "$target/fuzz"
for name in "${targets[@]}"; do
    printf 'fuzz: %s for %s s, FUZZ_SEED=%s\n' "$name" "$seconds" "$seed"
    mkdir "$corpus/$name"
    head -c 256 /dev/zero >"$corpus/$name/zeros"
    seeds=("$corpus/$name")
    [ -d "fuzz/seeds/$name" ] && seeds+=("fuzz/seeds/$name")
    # What comes over the network may be long, a form longer than the 64 KiB that its file must begin
    # in; what is made of it must be of a like size.
    bounds=()
    case "$name" in s3_*) bounds=(-max_len=73728 -rss_limit_mb=1024 -malloc_limit_mb=64) ;; esac
    # Inputs are structures: short ones reach little, so lengths aren't held down at first. A single
    # input that takes half a minute is a finding, and so is one that takes much memory, all in all
    # or at once. Lines about single new inputs are left out.
    cargo fuzz run --target-dir "$target/fuzz" "$name" "${seeds[@]}" -- \
        -seed="$seed" -max_total_time="$seconds" -len_control=0 -timeout=30 \
        "${bounds[@]}" -print_final_stats=1 \
        2>&1 | { grep --text --line-buffered -vE '^(#[0-9]+\s+(NEW|REDUCE)|\s+NEW_FUNC|"|INFO: +[0-9]+ files|\s*(Finished|Running) )' || true; }
done
