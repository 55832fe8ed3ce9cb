#!/bin/sh
# Writes Sources/InferenceRPC/Generated from inference.proto and health.proto. The result is committed: a build needs
# neither protoc nor its plugin for Swift, which is built here, from the version of swift-protobuf that the package takes.
set -eu
cd "$(dirname "$0")/.."
if ! command -v protoc >/dev/null 2>&1; then
  echo "generate-inference.sh: protoc is missing: apt-get install -y --no-install-recommends protobuf-compiler" >&2
  exit 1
fi
out=Sources/InferenceRPC/Generated
checkouts=.build-grpc
MURMURATION_PART=InferenceRPC swift package --traits GRPC --scratch-path "$checkouts" resolve
swift build --package-path "$checkouts/checkouts/swift-protobuf" --scratch-path "$checkouts/protoc" \
  --product protoc-gen-swift
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
protoc --proto_path=Protocols --plugin=protoc-gen-swift="$checkouts/protoc/debug/protoc-gen-swift" \
  --swift_out="$scratch" inference.proto health.proto
mkdir -p "$out"
for name in inference health; do
  # A build without the trait GRPC has no SwiftProtobuf.
  {
    echo "// swift-format-ignore-file"
    echo "#if GRPC"
    cat "$scratch/$name.pb.swift"
    echo "#endif"
  } >"$out/$name.pb.swift"
done
