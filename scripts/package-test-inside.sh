#!/usr/bin/env bash
# The part of package-test.sh in a fresh Debian: $1 is its root, with the package as /riquet.deb. Runs in
# namespaces of its own, so that the settings' ports are free and nothing outlives it.
set -euo pipefail

root="$1"
healthy="$(dirname "${BASH_SOURCE[0]}")/../ops/docker/healthy.sh"
etc="$root/etc/riquet"
examples="$root/usr/share/doc/riquet/examples"
logs="$root/tmp"
# For a process to answer, or to be ready once others are.
wait_s=60

say() { printf 'package-test: %s\n' "$*" >&2; }

stop() {
    say "FAILED: $*"
    tail -n 20 "$logs"/*.log >&2 2>/dev/null || true
    exit 1
}

debian() {
    chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive "$@"
}

# Waits until the URL answers with this status.
await() {
    local url="$1" status="$2" have='' until=$((SECONDS + wait_s))
    while [ "$have" != "$status" ]; do
        [ "$SECONDS" -lt "$until" ] || stop "$url answers ${have:-nothing}, not $status"
        have="$(curl --silent --max-time 5 --output /dev/null --write-out '%{http_code}' "$url" || true)"
        [ "$have" = "$status" ] || sleep 0.1
    done
}

declare -A pids=()

# Starts a program as `name`, as the user of the services.
start() {
    local name="$1"
    shift
    (exec chroot --userspec=riquet:riquet "$root" env -i PATH=/usr/bin:/bin NO_COLOR=1 "$@") \
        >"$logs/$name.log" 2>&1 &
    pids[$name]=$!
}

# Stops it as systemd does: it must end by itself, and well.
end() {
    local name="$1" limit_s="$2" status=0 watchdog
    kill -TERM "${pids[$name]}"
    (sleep "$limit_s" && kill -KILL "${pids[$name]}") 2>/dev/null &
    watchdog=$!
    wait "${pids[$name]}" || status=$?
    kill "$watchdog" 2>/dev/null || true
    [ "$status" -eq 0 ] || stop "$name ended with $status after SIGTERM"
}

unit() { cat "$root"/{,usr/}lib/systemd/system/"$1".service 2>/dev/null | sed -n "s/^$2=//p" | head -n 1; }

mount -t proc proc "$root/proc"
ip link set lo up

debian dpkg --install /riquet.deb >"$logs/dpkg.log" 2>&1 || stop "dpkg --install"
debian getent passwd riquet | grep -q ':/var/lib/riquet:.*nologin$' || stop "the user riquet is not there"
for folder in '/etc/riquet root:riquet 750' '/var/lib/riquet riquet:riquet 750' '/srv/riquet root:root 755'; do
    read -r path owner mode <<<"$folder"
    [ "$(debian stat --format '%U:%G %a' "$path")" = "$owner $mode" ] || stop "$path is not $owner $mode"
done
debian riquet --version >/dev/null || stop "riquet does not run"
[ -z "$(ls "$etc")" ] || stop "settings are there before anybody made them"
say "installed, with its user and folders"

# The services, as their units start them, with the examples as they are. Nobody else of their cluster is
# there, and the second disk is not mounted.
cp "$examples/storage-node.toml" "$examples/gateway.toml" "$etc/"
printf '[[keys]]\nid = "first"\nkey = "%s"\n' "$(od -An -tx1 -N32 /dev/urandom | tr -d ' \n')" >"$etc/cluster.keys"
debian chown -R root:riquet /etc/riquet
chmod 640 "$etc"/*
mkdir "$root/srv/riquet/disk-1" "$root/srv/riquet/disk-2"
debian install -d -o riquet -g riquet -m 750 /srv/riquet/disk-1/shards
# shellcheck disable=SC2046 # a command line
start storage-node $(unit riquet-storage-node ExecStart)
# shellcheck disable=SC2046
start gateway $(unit riquet-gateway ExecStart)
await http://127.0.0.1:7500/v1/health 200
await http://127.0.0.1:9001/health 200
RIQUET_HEALTH=127.0.0.1:9001/health "$healthy" || stop "a container's health check finds no gateway"
! RIQUET_HEALTH=127.0.0.1:9001/ready "$healthy" || stop "a container's health check takes 503 for health"
await http://127.0.0.1:9001/ready 503
states="$(curl --silent http://127.0.0.1:7500/v1/health | grep -o '"state":"[a-z]*"' | sort | tr -d '\n')"
[ "$states" = '"state":"online""state":"refused"' ] || stop "disks are $states, not one online and one refused"
end gateway "$(unit riquet-gateway TimeoutStopSec)"
end storage-node "$(unit riquet-storage-node TimeoutStopSec)"
say "both services run with the example settings, and stop"

for example in data-node arbiter; do
    debian cp "/usr/share/doc/riquet/examples/$example.toml" /tmp/
    start "$example" riquet-storage-node --config "/tmp/$example.toml" --data-dir "/tmp/$example"
    await http://127.0.0.1:7500/v1/health 200
    end "$example" "$(unit riquet-storage-node TimeoutStopSec)"
done
say "so do the other examples"

# A cluster as the guide makes it, small: two nodes and an arbiter, a gateway, an object.
voters=(toulouse-1:7501:toulouse montpellier-1:7502:montpellier arbiter:7503:)
metadata='["127.0.0.1:7501", "127.0.0.1:7502", "127.0.0.1:7503"]'
list=''
number=0
for voter in "${voters[@]}"; do
    IFS=: read -r name port site <<<"$voter"
    number=$((number + 1))
    list+="[[voters]]"$'\n'"name = \"$name\""$'\n'"id = $number"$'\n'"endpoint = \"127.0.0.1:$port\""$'\n'
    [ -z "$site" ] || list+="site = \"$site\""$'\n'
done
printf 'sites = ["toulouse", "montpellier"]\nprofile = "1/2"\nplacement_groups = 64\nkey_groups = 8\nmetadata = %s\nkey_file = "/root/cluster.keys"\n' \
    "$metadata" >"$root/root/cluster.toml"
for voter in "${voters[@]}"; do
    IFS=: read -r name port site <<<"$voter"
    folder="/var/lib/riquet/$name"
    roles='["meta"]' disks=''
    if [ -n "$site" ]; then
        roles='["data", "meta"]'
        for disk in 1 2; do
            disks+="[[disks]]"$'\n'"path = \"$folder/disk-$disk\""$'\n'
            disks+="id = \"$(tr -d - </proc/sys/kernel/random/uuid)\""$'\n'
        done
        printf '[[nodes]]\nname = "%s"\nsite = "%s"\naddress = "127.0.0.1:%s"\n' "$name" "$site" "$port" \
            >>"$root/root/cluster.toml"
    fi
    debian install -d -o riquet -g riquet "$folder"
    printf 'name = "%s"\nsite = "%s"\nlisten = "127.0.0.1:%s"\nroles = %s\ndata_dir = "%s"\nmetadata = %s\n%s%s' \
        "$name" "${site:-arbiter}" "$port" "$roles" "$folder" "$metadata" "$disks" "$list" >"$root/tmp/$name.toml"
    start "$name" riquet-storage-node --config "/tmp/$name.toml"
done
for voter in "${voters[@]}"; do
    IFS=: read -r name port site <<<"$voter"
    await "http://127.0.0.1:$port/v1/health" 200
done
keys="$(debian riquet cluster init --file /root/cluster.toml --yes 2>"$logs/init.log")" || stop "riquet cluster init"
if debian riquet cluster init --file /root/cluster.toml --yes >"$logs/again.log" 2>&1; then
    stop "a cluster was made of a cluster's nodes"
fi
debian install -o root -g riquet -m 640 /root/cluster.keys /etc/riquet/cluster.keys
RIQUET_METADATA="$(tr -d '[]" ' <<<"$metadata")"
start gateway env RIQUET_METADATA="$RIQUET_METADATA" riquet-gateway --config /etc/riquet/gateway.toml
await http://127.0.0.1:9001/ready 200
id="$(sed -n 's/^AWS_ACCESS_KEY_ID=//p' <<<"$keys")"
secret="$(sed -n 's/^AWS_SECRET_ACCESS_KEY=//p' <<<"$keys")"
s3() {
    curl --silent --show-error --fail --max-time 30 --aws-sigv4 aws:amz:eu-west-1:s3 --user "$id:$secret" \
        --header 'x-amz-content-sha256: UNSIGNED-PAYLOAD' "$@"
}
s3 --request PUT http://127.0.0.1:9000/bucket || stop "no bucket was made"
s3 --upload-file "$root/usr/bin/riquet" http://127.0.0.1:9000/bucket/object || stop "no object was stored"
s3 http://127.0.0.1:9000/bucket/object | cmp - "$root/usr/bin/riquet" || stop "another object came back"
end gateway "$(unit riquet-gateway TimeoutStopSec)"
for name in arbiter montpellier-1 toulouse-1; do
    end "$name" "$(unit riquet-storage-node TimeoutStopSec)"
done
say "a cluster was made, and an object went in and out"

debian dpkg --purge riquet >>"$logs/dpkg.log" 2>&1 || stop "dpkg --purge"
[ ! -e "$root/usr/bin/riquet" ] || stop "the programs are still there"
for kept in /etc/riquet/cluster.keys /var/lib/riquet/meta /var/lib/riquet/toulouse-1 /srv/riquet/disk-1/shards; do
    [ -e "$root$kept" ] || stop "$kept was purged"
done
debian getent passwd riquet >/dev/null || stop "the user was purged, who owns what is left"
say "purged, without settings, keys or data"
