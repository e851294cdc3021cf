#!/usr/bin/env bash
# Makes the Debian package of the programs that are built and tries it: what is in it, its units, and, in
# a fresh Debian (a chroot by debootstrap, with a network of its own), its installation, both services with
# the example settings, a small cluster, and its removal. Without root or debootstrap that last part is
# left out, and said to be.
set -euo pipefail

scripts="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
target="${CARGO_TARGET_DIR:-$(dirname "$scripts")/target}"
work="$target/package-test"
suite=bookworm
# Without systemd: what the package needs of it for its user and its folders.
base_packages=systemd-standalone-sysusers,systemd-standalone-tmpfiles
base="$work/$suite.tar"
# Exposure that systemd-analyze may find, of 100: it has no words for what is left, such as sockets.
exposure_max=15

say() { printf 'package-test: %s\n' "$*" >&2; }

stop() {
    say "FAILED: $*"
    exit 1
}

check_tree() {
    local tree="$1" file
    for file in \
        usr/bin/riquet usr/bin/riquet-gateway usr/bin/riquet-storage-node \
        usr/lib/sysusers.d/riquet.conf usr/lib/tmpfiles.d/riquet.conf \
        usr/share/doc/riquet/examples/{storage-node,data-node,arbiter,gateway,cluster}.toml \
        usr/share/doc/riquet/{copyright,INSTALL.md,CHANGELOG.md} \
        usr/share/man/man1/riquet{,-cluster-init}.1.gz \
        usr/share/bash-completion/completions/riquet; do
        [ -s "$tree/$file" ] || stop "$file is not in the package"
    done
    local program
    for program in riquet riquet-gateway riquet-storage-node; do
        "$tree/usr/bin/$program" --version >/dev/null || stop "$program does not run"
    done
    say "the package has its files, and its programs run"
}

check_units() {
    local tree="$1" units=("$1"/{,usr/}lib/systemd/system/riquet-*.service) unit found=0
    command -v systemd-analyze >/dev/null || { say "SKIPPED: units, for want of systemd-analyze" && return; }
    for unit in "${units[@]}"; do
        [ -e "$unit" ] || continue
        found=$((found + 1))
        # Verified beside the host's own units, as programs of the tree.
        local here="$work/${unit##*/}"
        sed "s|^ExecStart=|&$tree|" "$unit" >"$here"
        # Words on standard error are remarks that its exit code does not tell of.
        local remarks
        remarks="$(systemd-analyze verify --man=no "$here" 2>&1)" || stop "$unit: $remarks"
        [ -z "$remarks" ] || stop "$unit: $remarks"
        systemd-analyze security --no-pager --offline=true --threshold=$exposure_max "$here" >/dev/null ||
            stop "$unit is more exposed than $exposure_max of 100"
        rm "$here"
    done
    [ "$found" -eq 2 ] || stop "$found units are in the package, not 2"
    say "systemd has no remarks on the units"
}

# Why there can be no fresh Debian here; nothing if there can.
obstacle() {
    local program
    [ "$(id -u)" -eq 0 ] || { echo "root" && return; }
    for program in debootstrap unshare ip curl; do
        command -v "$program" >/dev/null || { echo "$program" && return; }
    done
    unshare --mount --pid --net --fork true 2>/dev/null || echo "namespaces"
}

make_base() {
    [ -s "$base" ] && return
    say "making a base system of $suite, once"
    local fresh="$work/base"
    rm -rf "$fresh"
    mkdir -p "$fresh/etc/dpkg/dpkg.cfg.d"
    # It lives for seconds: a power cut may take it.
    echo force-unsafe-io >"$fresh/etc/dpkg/dpkg.cfg.d/unsafe-io"
    debootstrap --variant=minbase --include="$base_packages" "$suite" "$fresh" >"$work/debootstrap.log" ||
        stop "debootstrap: see $work/debootstrap.log"
    rm -rf "$fresh"/var/cache/apt/archives/*.deb "$fresh"/var/lib/apt/lists/*
    tar --create --numeric-owner --file "$base.next" --directory "$fresh" .
    mv "$base.next" "$base"
    rm -rf "$fresh"
}

mkdir -p "$work"
deb="$("$scripts/package.sh" --fast)"
tree="$(mktemp --directory "$work/tree.XXXXXX")"
root="$(mktemp --directory "$work/root.XXXXXX")"
trap 'rm -rf "$tree" "$root"' EXIT
dpkg-deb --extract "$deb" "$tree"
check_tree "$tree"
check_units "$tree"

missing="$(obstacle)"
if [ -n "$missing" ]; then
    say "SKIPPED: installation into a fresh Debian, for want of $missing"
    exit 0
fi
make_base
tar --extract --numeric-owner --file "$base" --directory "$root"
cp "$deb" "$root/riquet.deb"
# Whatever it starts and mounts ends with it.
unshare --mount --pid --net --fork --kill-child "$scripts/package-test-inside.sh" "$root"
