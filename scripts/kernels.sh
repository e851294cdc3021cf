#!/usr/bin/env bash
# Runs the tests of the erasure code once with each kernel that the CPU has, and says which it lacks.
# Options are cargo's: with --target the CPU is an emulated one.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
run=(cargo test --release --quiet -p riquet-erasure "$@")

# An emulated program can't start itself once more.
skip=()
[ "$#" -gt 0 ] && skip=(--skip the_environment_forces_one)

# A test prints which kernels there are.
listed="$("${run[@]}" --test kernels -- --exact each_is_available_or_refused --nocapture)"
mapfile -t available < <(sed -n 's/^kernel \(.*\) available$/\1/p' <<<"$listed")
mapfile -t lacking < <(sed -n 's/^kernel \(.*\) lacking$/\1/p' <<<"$listed")
if [ "${#available[@]}" -eq 0 ]; then
    printf 'kernels: none listed by\n%s\n' "$listed"
    exit 1
fi

for kernel in "${available[@]}"; do
    if ! output="$(RIQUET_ERASURE_KERNEL="$kernel" "${run[@]}" --lib --tests -- "${skip[@]}" 2>&1)"; then
        printf '%s\nkernels: tests fail with %s\n' "$output" "$kernel"
        exit 1
    fi
    passed="$(awk '/^test result: ok/ { sum += $4 } END { print sum }' <<<"$output")"
    printf 'kernels: %s: %s tests passed\n' "$kernel" "$passed"
done
printf 'kernels: this CPU lacks %s\n' "${lacking[*]:-none}"
