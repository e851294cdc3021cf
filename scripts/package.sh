#!/usr/bin/env bash
# Makes the Debian package from the programs that are built already, into debian/ of the target folder,
# and prints its path. Options are cargo-deb's, such as --fast.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
target="${CARGO_TARGET_DIR:-$root/target}"
export CARGO_TARGET_DIR="$target"
programs="$target/release"
# Where tools/Cargo.toml looks for what the command says about itself.
pages="$programs/package"

say() { printf 'package: %s\n' "$*" >&2; }

stop() {
    say "$*"
    exit 1
}

for program in riquet riquet-gateway riquet-storage-node; do
    [ -x "$programs/$program" ] || stop "$programs/$program is missing; type: make build"
done
[ -x "$target/tools/bin/cargo-deb" ] || stop "cargo-deb is missing; type: scripts/setup.sh package"

rm -rf "$pages"
mkdir -p "$pages"
for command in man completions; do
    "$programs/riquet" help "$command" >/dev/null 2>&1 ||
        stop "$programs/riquet has no command '$command', which writes a part of the package"
done
"$programs/riquet" man "$pages/man1"
gzip --best --no-name "$pages"/man1/*
for shell in bash zsh fish; do
    "$programs/riquet" completions "$shell" >"$pages/riquet.$shell"
done

# What the profile keeps of debugging symbols lies in other files, which a package would not have.
"$target/tools/bin/cargo-deb" deb --no-build --strip --quiet "$@" \
    --manifest-path "$root/tools/Cargo.toml" --output "$target/debian/"
