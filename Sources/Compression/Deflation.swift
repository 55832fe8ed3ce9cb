import CZlib

/// Compression by zlib (RFC 1950 to 1952).
package enum Deflation {
  /// The compressed bytes, at zlib's fastest level.
  package static func deflate(_ bytes: [UInt8], _ wrapping: Inflation.Wrapping) -> [UInt8] {
    // On the heap: zlib refuses a stream that has moved.
    let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    stream.initialize(to: z_stream())
    defer { stream.deallocate() }
    let begun = deflateInit2_(
      stream, Z_BEST_SPEED, Z_DEFLATED, wrapping.rawValue, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
      Int32(MemoryLayout<z_stream>.size))
    precondition(begun == Z_OK, "deflateInit2 fails only without memory or with another version of zlib")
    defer { deflateEnd(stream) }
    precondition(bytes.count <= 1 << 30, "zlib counts in 32 bits")
    let room = Int(deflateBound(stream, UInt(bytes.count)))
    return bytes.withUnsafeBufferPointer { source in
      [UInt8](unsafeUninitializedCapacity: room) { buffer, filled in
        stream.pointee.next_in = UnsafeMutablePointer(mutating: source.baseAddress)
        stream.pointee.avail_in = UInt32(source.count)
        stream.pointee.next_out = buffer.baseAddress
        stream.pointee.avail_out = UInt32(room)
        let status = CZlib.deflate(stream, Z_FINISH)
        precondition(status == Z_STREAM_END, "there is room for what deflateBound says")
        filled = room - Int(stream.pointee.avail_out)
      }
    }
  }
}
