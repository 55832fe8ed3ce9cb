#!/bin/sh
# Writes Sources/CFederationMessages from murmur.proto. The result is committed: a build does not need protoc-c.
set -eu
cd "$(dirname "$0")/.."
if ! command -v protoc-c >/dev/null 2>&1; then
  echo "generate.sh: protoc-c is missing: apt-get install -y --no-install-recommends protobuf-c-compiler" >&2
  exit 1
fi
out=Sources/CFederationMessages
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# On the wire `string` and `bytes` are the same. As `char *` a text would end at its first NUL, unseen; as `bytes` it
# keeps its length, and Sources/Wire checks NUL and UTF-8 itself.
sed -E 's/^( *(repeated )?)string /\1bytes /' Protocols/murmur.proto >"$scratch/murmur.proto"
protoc-c --proto_path="$scratch" --c_out="$scratch" "$scratch/murmur.proto"
mkdir -p "$out/include"
mv "$scratch/murmur.pb-c.c" "$out/murmur.pb-c.c"
mv "$scratch/murmur.pb-c.h" "$out/include/murmur.pb-c.h"
