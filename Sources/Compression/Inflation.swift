import CZlib

/// Decompression by zlib (RFC 1950 to 1952), bounded by the bytes that may come out.
package enum Inflation {
  /// How the deflated bytes are wrapped; the raw value is zlib's `windowBits`.
  package enum Wrapping: Int32, Sendable {
    /// RFC 1951, as ZIP archives have them.
    case none = -15
    /// RFC 1950.
    case zlib = 15
    /// RFC 1952, one member after another.
    case gzip = 31
  }

  /// Why nothing came out.
  package enum Failure: Error, Equatable, Sendable {
    /// More bytes than allowed.
    case tooLong
    /// The bytes end before the deflated stream does.
    case truncated
    /// Bytes that are not deflated, or whose check sum is wrong: zlib's reason.
    case damaged(String)
    /// Bytes behind the end.
    case trailingBytes(Int)
  }

  private static let pieceByteCount = 1 << 18

  /// What `bytes` were before they were compressed.
  ///
  /// Memory grows with what really comes out, not with what a header announces.
  ///
  /// - Parameter byteCountMax: of the result.
  package static func inflate(
    _ bytes: UnsafeRawBufferPointer, _ wrapping: Wrapping, byteCountMax: Int
  ) throws(Failure) -> [UInt8] {
    // On the heap: zlib refuses a stream that has moved.
    let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    stream.initialize(to: z_stream())
    defer { stream.deallocate() }
    let begun = inflateInit2_(stream, wrapping.rawValue, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    precondition(begun == Z_OK, "inflateInit2 fails only without memory or with another version of zlib")
    defer { inflateEnd(stream) }
    var out: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: min(pieceByteCount, max(4_096, 4 * bytes.count)))
    var position = 0
    while true {
      // zlib counts in 32 bits.
      let available = min(bytes.count - position, 1 << 30)
      stream.pointee.next_in = UnsafeMutablePointer(
        mutating: bytes.baseAddress.map { ($0 + position).assumingMemoryBound(to: Bytef.self) })
      stream.pointee.avail_in = UInt32(available)
      let (status, made) = piece.withUnsafeMutableBufferPointer { buffer in
        stream.pointee.next_out = buffer.baseAddress
        stream.pointee.avail_out = UInt32(buffer.count)
        let status = CZlib.inflate(stream, Z_NO_FLUSH)
        return (status, buffer.count - Int(stream.pointee.avail_out))
      }
      position += available - Int(stream.pointee.avail_in)
      guard made <= byteCountMax - out.count else { throw .tooLong }
      out.append(contentsOf: piece[..<made])
      switch status {
      case Z_OK: continue
      case Z_STREAM_END:
        if position == bytes.count { return out }
        guard wrapping == .gzip, bytes[position] == 0x1F else { throw .trailingBytes(bytes.count - position) }
        inflateReset(stream)
      case Z_BUF_ERROR: throw .truncated  // No progress: nothing is left to read.
      default: throw .damaged(stream.pointee.msg.map { String(cString: $0) } ?? "error \(status)")
      }
    }
  }

  /// The check sum of ZIP archives.
  package static func crc32(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    UInt32(crc32_z(0, bytes.baseAddress?.assumingMemoryBound(to: Bytef.self), bytes.count))
  }
}
