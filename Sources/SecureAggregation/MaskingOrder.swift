import Cryptography
import Federation

/// What a worker needs to turn its update into an input: keys, seed, and the header that announces it.
///
/// Any chunk can be made again byte for byte, because rounding and masks are fixed by the seed and the keys.
package struct MaskingOrder: Sendable {
  package let transcript: Digest
  package let worker: Int
  package let rosterCount: Int
  package let dealersDigest: Digest
  package let header: InputHeader
  /// One set per vector, in header order.
  package let keys: [MaskKeys]
  package let roundingSeed: SecretBytes
  let signingKey: SigningKey

  init(
    transcript: Digest, worker: Int, rosterCount: Int, dealersDigest: Digest, header: InputHeader, keys: [MaskKeys],
    roundingSeed: SecretBytes, signingKey: SigningKey
  ) {
    self.transcript = transcript
    self.worker = worker
    self.rosterCount = rosterCount
    self.dealersDigest = dealersDigest
    self.header = header
    self.keys = keys
    self.roundingSeed = roundingSeed
    self.signingKey = signingKey
  }

  /// The trailer over all chunk digests, vectors in header order, chunks by index.
  package func trailer(chunkDigests: [Digest]) -> InputTrailer {
    let payload = ChunkDigests.payload(chunkDigests)
    return InputTrailer(
      transcript: transcript, worker: worker, dealersDigest: dealersDigest, payloadDigest: payload,
      signature: signingKey.signature(
        over: SignedString.input(
          transcript: transcript, worker: worker, dealersDigest: dealersDigest, payloadDigest: payload)))
  }
}
