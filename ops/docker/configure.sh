#!/usr/bin/env bash
# Writes the settings of compose.yaml's cluster into config/ (or the folder $1): three storage nodes at
# each of two sites, an arbiter, a gateway at each site. Disks get fresh ids, so it writes them once.
set -euo pipefail

config="${1:-$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/config}"
if [ -e "$config" ]; then
    echo "configure: $config is there already" >&2
    exit 1
fi
mkdir -p "$config"

voters=(toulouse-1 toulouse-2 montpellier-1 montpellier-2 arbiter)
metadata='"toulouse-1:7500", "toulouse-2:7500", "montpellier-1:7500", "montpellier-2:7500", "arbiter:7500"'

voter_list() {
    local number=0 voter
    for voter in "${voters[@]}"; do
        number=$((number + 1))
        printf '\n[[voters]]\nname = "%s"\nid = %d\nendpoint = "%s:7500"\n' "$voter" "$number" "$voter"
        [ "$voter" = arbiter ] || printf 'site = "%s"\n' "${voter%-*}"
    done
}

# Settings of the storage node $1 with the roles $2.
node() {
    printf 'name = "%s"\nsite = "%s"\nlisten = "0.0.0.0:7500"\nroles = [%s]\n' "$1" "${1%-*}" "$2"
    printf 'data_dir = "/var/lib/riquet/state"\nmetadata = [%s]\n' "$metadata"
    [[ "$2" != *data* ]] ||
        printf '\n[[disks]]\npath = "/var/lib/riquet/disk"\nid = "%s"\n' "$(tr -d - </proc/sys/kernel/random/uuid)"
    [[ "$2" != *meta* ]] || voter_list
}

{
    printf 'sites = ["toulouse", "montpellier"]\nprofile = "2/3"\nplacement_groups = 256\n'
    printf 'metadata = [%s]\nkey_file = "/etc/riquet/cluster.keys"\n' "$metadata"
} >"$config/cluster.toml"
for site in toulouse montpellier; do
    for number in 1 2 3; do
        name="$site-$number"
        roles='"data", "meta"'
        [ "$number" -le 2 ] || roles='"data"'
        node "$name" "$roles" >"$config/$name.toml"
        printf '\n[[nodes]]\nname = "%s"\nsite = "%s"\naddress = "%s:7500"\n' "$name" "$site" "$name" >>"$config/cluster.toml"
    done
    {
        printf 'name = "gateway-%s"\nsite = "%s"\nlisten = "0.0.0.0:9000"\n' "$site" "$site"
        printf 'admin_listen = "0.0.0.0:9001"\nmetadata = [%s]\nkey_file = "/etc/riquet/cluster.keys"\n' "$metadata"
    } >"$config/gateway-$site.toml"
done
node arbiter '"meta"' >"$config/arbiter.toml"
# Made here and not in a container, so that it belongs to whoever keeps it. Gateways are not root.
(
    umask 022
    printf '[[keys]]\nid = "first"\nkey = "%s"\n' "$(od -An -tx1 -N32 /dev/urandom | tr -d ' \n')" >"$config/cluster.keys"
)
