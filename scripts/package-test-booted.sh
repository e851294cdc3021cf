#!/usr/bin/env bash
# The part of package-test.sh in a fresh Debian that systemd runs, with the package as /riquet.deb: both units
# as they are. Runs as a unit itself; what it says and how it ended lies in /package-test.
set -euo pipefail

examples=/usr/share/doc/riquet/examples
units=(riquet-storage-node riquet-gateway)
health=(127.0.0.1:7500/v1/health 127.0.0.1:9001/health)
# For a service to answer, to be started again, or to have said something.
wait_s=60

say() { printf '%s\n' "$*"; }

stop() {
    say "FAILED: $*"
    journalctl --no-pager --lines 8 --unit riquet-storage-node --unit riquet-gateway || true
    exit 1
}

finish() {
    local status=$?
    echo "$status" >/package-test/status
    systemctl poweroff --no-block 2>/dev/null
}
trap finish EXIT

# Waits until a command succeeds.
await() {
    local what="$1" until=$((SECONDS + wait_s))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$until" ] || stop "$what"
        sleep 0.1
    done
}

shown() { systemctl show --property "$2" --value "$1"; }

is_another() { [ "$(shown "$1" MainPID)" -ne "$2" ] && [ "$(shown "$1" MainPID)" -ne 0 ]; }

answer() {
    local at
    for at in 0 1; do
        await "${units[at]} does not answer" env RIQUET_HEALTH="${health[at]}" /package-test/healthy.sh
        [ "$(shown "${units[at]}" ActiveState)" = active ] || stop "${units[at]} is not active"
    done
}

# Quietly, or what went wrong.
debian_package() { dpkg "$@" >/package-test/dpkg.log 2>&1 || stop "dpkg $*: $(cat /package-test/dpkg.log)"; }

debian_package --install /riquet.deb
systemctl start "${units[@]}"
for unit in "${units[@]}"; do
    [ "$(shown "$unit" ConditionResult)" = no ] || stop "$unit starts without settings"
done

cp "$examples/storage-node.toml" "$examples/gateway.toml" /etc/riquet/
printf '[[keys]]\nid = "first"\nkey = "%s"\n' "$(od -An -tx1 -N32 /dev/urandom | tr -d ' \n')" \
    >/etc/riquet/cluster.keys
chown -R root:riquet /etc/riquet
chmod 640 /etc/riquet/*
install -d -o riquet -g riquet -m 750 /srv/riquet/disk-1/shards
systemctl enable --quiet --now "${units[@]}"
answer
for unit in "${units[@]}"; do
    user="$(stat --format %U "/proc/$(shown "$unit" MainPID)")"
    [ "$user" = riquet ] || stop "$unit runs as $user"
    await "$unit says nothing to the journal" journalctl --quiet --unit "$unit" --grep 'serves|waiting'
done
say "systemd starts both services with the example settings"

for unit in "${units[@]}"; do
    before="$(shown "$unit" MainPID)"
    kill -KILL "$before"
    await "$unit is not started again" is_another "$unit" "$before"
done
answer
say "and starts them again when they were killed"

systemctl stop "${units[@]}"
for unit in "${units[@]}"; do
    [ "$(shown "$unit" Result)" = success ] || stop "$unit stops with $(shown "$unit" Result)"
    [ "$(shown "$unit" ExecMainStatus)" = 0 ] || stop "$unit ends with $(shown "$unit" ExecMainStatus)"
done
say "they stop in good order"

systemctl start "${units[@]}"
answer
debian_package --remove riquet
for unit in "${units[@]}"; do
    ! systemctl is-active --quiet "$unit" || stop "$unit runs though the package is removed"
done
say "and are gone with the package"
