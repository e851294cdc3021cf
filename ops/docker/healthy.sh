#!/bin/bash
# Whether RIQUET_HEALTH (host:port/path) answers with 200. By bash itself: the image has no HTTP client.
set -euo pipefail

address="${RIQUET_HEALTH%%/*}"
path="/${RIQUET_HEALTH#*/}"
exec 3<>"/dev/tcp/${address%:*}/${address##*:}"
printf 'GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$path" "$address" >&3
read -r -t 4 _ status _ <&3
[ "$status" = 200 ]
