import Federation
import Glibc
import ModelRegistry
import Rounds
import SecureAggregation
import Transfer
import ZeroMQ

/// One upload on its way in: its chunks on disk, in a file that has no name any more, and their digests in memory.
///
/// Masked vectors are safe on disk; they are gone with the descriptor.
final class Spool: KeptInput {
  private let header: InputHeader
  private let shape: UploadShape
  private let descriptor: Int32
  private let path: String
  private var digests: [Digest?]
  private let offsets: [UInt64]

  init(header: InputHeader, shape: UploadShape, directory: String) throws(FileError) {
    self.header = header
    self.shape = shape
    var template = Array((directory + "/spool-XXXXXX").utf8CString)
    path = directory + "/spool"
    descriptor = mkstemp(&template)
    guard descriptor >= 0 else { throw FileError(operation: .open, path: path, code: errno) }
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    unlink(template)
    digests = Array(repeating: nil, count: Int(shape.totalChunks))
    var offsets: [UInt64] = [0]
    for vector in shape.vectors {
      offsets.append((offsets.last ?? 0) + vector.elementCount * UInt64(vector.elementBytes))
    }
    self.offsets = offsets
  }

  deinit { close(descriptor) }

  /// Writes one chunk; it counts as there only if all of it was written.
  func write(_ payload: Frame, number: UInt64, _ piece: UploadShape.Piece) throws(FileError) {
    guard let place = place(of: number), payload.count == place.count else { return }
    digests[Int(number)] = try payload.withUnsafeBytes { bytes throws(FileError) in
      try write(bytes, at: place.offset)
      return header.digest(of: piece, bytes: bytes)
    }
  }

  private func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(FileError) {
    var done = 0
    while done < bytes.count {
      let count = pwrite(
        descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done, off_t(offset) + off_t(done))
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw FileError(operation: .write, path: path, code: errno) }
      done += count
    }
  }

  func read(_ number: UInt64) throws(FileError) -> [UInt8] {
    guard let place = place(of: number) else { return [] }
    return try read(place)
  }

  /// - Parameter bytes: within the chunk.
  func read(_ number: UInt64, bytes: Range<Int>) throws(FileError) -> [UInt8] {
    guard let place = place(of: number), bytes.upperBound <= place.count else { return [] }
    return try read((offset: place.offset + UInt64(bytes.lowerBound), count: bytes.count))
  }

  private func read(_ place: (offset: UInt64, count: Int)) throws(FileError) -> [UInt8] {
    var done = 0
    var failure: Int32 = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: place.count) { buffer, filled in
      while done < place.count {
        let count = pread(
          descriptor, buffer.baseAddress.map { $0 + done }, place.count - done, off_t(place.offset) + off_t(done))
        if count < 0 && errno == EINTR { continue }
        guard count > 0 else {
          failure = errno
          break
        }
        done += count
      }
      filled = done
    }
    guard done == place.count else { throw FileError(operation: .read, path: path, code: failure) }
    return bytes
  }

  /// The digest over all chunks; nil while one is missing.
  var payloadDigest: Digest? {
    let all = digests.compactMap { $0 }
    return all.count == digests.count ? ChunkDigests.payload(all) : nil
  }

  private func place(of number: UInt64) -> (offset: UInt64, count: Int)? {
    guard let piece = shape.piece(number) else { return nil }
    let bytes = UInt64(shape.vectors[piece.vector].elementBytes)
    return (offsets[piece.vector] + piece.firstElement * bytes, piece.byteCount)
  }
}
