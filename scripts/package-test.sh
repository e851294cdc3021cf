#!/usr/bin/env bash
# Makes the Debian package of the programs that are built and tries it: what is in it, its units, and, in
# a fresh Debian (a chroot by debootstrap, with a network of its own), its installation, both services with
# the example settings, a small cluster, and its removal; then the units under a systemd of their own, in a
# container by systemd-nspawn. What is missing for that, such as root, leaves it out, and is said.
set -euo pipefail

scripts="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
target="${CARGO_TARGET_DIR:-$(dirname "$scripts")/target}"
work="$target/package-test"
suite=bookworm
# Without systemd: what the package needs of it for its user and its folders.
plain_packages=systemd-standalone-sysusers,systemd-standalone-tmpfiles
systemd_packages=systemd,systemd-sysv
# For the container to boot, try everything, and halt.
booted_s=300
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

# Makes a base system with these packages, once, and prints its archive's path.
base() {
    local name="$1" packages="$2"
    local base="$work/$name.tar" fresh="$work/base"
    if [ -s "$base" ]; then
        echo "$base"
        return
    fi
    say "making a base system, $name, once"
    rm -rf "$fresh"
    mkdir -p "$fresh/etc/dpkg/dpkg.cfg.d"
    # It lives for seconds: a power cut may take it.
    echo force-unsafe-io >"$fresh/etc/dpkg/dpkg.cfg.d/unsafe-io"
    debootstrap --variant=minbase --include="$packages" "$suite" "$fresh" >"$work/debootstrap.log" ||
        stop "debootstrap: see $work/debootstrap.log"
    rm -rf "$fresh"/var/cache/apt/archives/*.deb "$fresh"/var/lib/apt/lists/*
    tar --create --numeric-owner --file "$base.next" --directory "$fresh" .
    mv "$base.next" "$base"
    rm -rf "$fresh"
    echo "$base"
}

# Extracts a base system into a folder, with the package in it.
unpack() {
    local archive
    archive="$(base "$1" "$2")"
    tar --extract --numeric-owner --file "$archive" --directory "$3"
    cp "$deb" "$3/riquet.deb"
}

# Why systemd can't be run here; nothing if it can. $1 is the root of a system.
obstacle_to_boot() {
    command -v systemd-nspawn >/dev/null || { echo "systemd-nspawn" && return; }
    contained "$1" --quiet true >/dev/null 2>&1 || echo "containers"
}

contained() {
    local system="$1"
    shift
    # Beside no systemd, or another's: it need not know of the container.
    timeout "$booted_s" systemd-nspawn --directory "$system" --register=no --keep-unit --private-network "$@"
}

# Has systemd start in the root, and try the units.
boot() {
    local system="$1" results="$1/package-test" etc="$1/etc/systemd/system"
    mkdir "$results"
    cp "$scripts/package-test-booted.sh" "$scripts/../ops/docker/healthy.sh" "$results/"
    printf '[Unit]\nAfter=network.target\n[Service]\nType=oneshot\nExecStart=%s\nStandardOutput=file:%s\n' \
        /package-test/package-test-booted.sh /package-test/said >"$etc/package-test.service"
    mkdir -p "$etc/multi-user.target.wants"
    ln -s ../package-test.service "$etc/multi-user.target.wants/"
    contained "$system" --boot --machine package-test >"$results/console" 2>&1 </dev/null || true
    [ ! -e "$results/said" ] || sed 's/^/package-test: /' "$results/said" >&2
    [ "$(cat "$results/status" 2>/dev/null)" = 0 ] || {
        tail -n 20 "$results/console" >&2
        stop "the units under systemd"
    }
}

mkdir -p "$work"
deb="$("$scripts/package.sh" --fast)"
tree="$(mktemp --directory "$work/tree.XXXXXX")"
root="$(mktemp --directory "$work/root.XXXXXX")"
booted="$(mktemp --directory "$work/booted.XXXXXX")"
trap 'rm -rf "$tree" "$root" "$booted"' EXIT
dpkg-deb --extract "$deb" "$tree"
check_tree "$tree"
check_units "$tree"

missing="$(obstacle)"
if [ -n "$missing" ]; then
    say "SKIPPED: installation into a fresh Debian, for want of $missing"
    exit 0
fi
unpack "$suite" "$plain_packages" "$root"
# Whatever it starts and mounts ends with it.
unshare --mount --pid --net --fork --kill-child "$scripts/package-test-inside.sh" "$root"

unpack "$suite-systemd" "$systemd_packages" "$booted"
missing="$(obstacle_to_boot "$booted")"
if [ -n "$missing" ]; then
    say "SKIPPED: the units under systemd, for want of $missing"
    exit 0
fi
boot "$booted"
