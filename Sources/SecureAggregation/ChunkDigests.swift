import Cryptography
import Federation

/// What the trailer of an input signs for: every chunk in order, each bound to its place.
package enum ChunkDigests {
  package static func chunk(
    transcript: Digest, worker: Int, vector: UInt32, index: Int, bytes: [UInt8]
  ) -> Digest {
    bytes.withUnsafeBytes {
      chunk(transcript: transcript, worker: worker, vector: vector, index: index, bytes: $0)
    }
  }

  package static func chunk(
    transcript: Digest, worker: Int, vector: UInt32, index: Int, bytes: UnsafeRawBufferPointer
  ) -> Digest {
    var head = CanonicalBytes(label: "chunk")
    head.append(transcript)
    head.append(UInt32(worker))
    head.append(vector)
    head.append(UInt32(index))
    head.append(UInt32(bytes.count))
    var hash = SHA256()
    hash.update(head.bytes)
    hash.update(bytes)
    return Digest(unchecked: hash.finalize())
  }

  /// `payloadDigest` over the chunk digests: vectors in header order, chunks by index.
  package static func payload(_ chunks: [Digest]) -> Digest {
    var hash = SHA256()
    hash.update(CanonicalBytes(label: "input").bytes)
    for chunk in chunks { hash.update(chunk.bytes) }
    return Digest(unchecked: hash.finalize())
  }
}
