internal import CFederationMessages

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Memory of one protobuf message, received or about to be sent: handed out piece by piece, given back all at once.
///
/// Bounded in bytes and in pieces, so that a peer's frame cannot decide how much is allocated: a frame of 1 MiB may
/// name half a million empty sub-messages. Past the bound `allocate` answers nil, and protobuf-c gives up.
final class MessageArena {
  private static let blockBytes = 4096
  private static let alignment = 16

  private var blocks: [UnsafeMutableRawPointer] = []
  private var free: UnsafeMutableRawPointer?
  private var freeBytes = 0
  private var bytesLeft: Int
  private var piecesLeft: Int
  private(set) var isExhausted = false

  init(bytesMax: Int, piecesMax: Int) {
    bytesLeft = bytesMax
    piecesLeft = piecesMax
  }

  /// For messages of our own, whose size is ours to decide.
  convenience init() { self.init(bytesMax: .max, piecesMax: .max) }

  deinit {
    for block in blocks { Self.release(block) }
  }

  /// At least `byteCount` bytes, aligned to 16; nil when the bound is reached.
  func allocate(_ byteCount: Int) -> UnsafeMutableRawPointer? {
    guard byteCount >= 0, byteCount <= bytesLeft - Self.alignment, piecesLeft > 0 else {
      isExhausted = true
      return nil
    }
    let size = max(1, (byteCount + Self.alignment - 1) / Self.alignment) * Self.alignment
    bytesLeft -= size
    piecesLeft -= 1
    if size > Self.blockBytes / 4 { return block(of: size) }
    if size > freeBytes {
      guard let fresh = block(of: Self.blockBytes) else { return nil }
      free = fresh
      freeBytes = Self.blockBytes
    }
    let piece = free
    free = piece?.advanced(by: size)
    freeBytes -= size
    return piece
  }

  /// For protobuf-c's unpack. Its pieces live as long as the arena, so there is nothing to free one by one.
  ///
  /// - Precondition: the arena outlives every use of the allocator.
  var allocator: ProtobufCAllocator {
    ProtobufCAllocator(
      alloc: { arena, byteCount in
        arena.flatMap { Unmanaged<MessageArena>.fromOpaque($0).takeUnretainedValue().allocate(byteCount) }
      },
      free: { _, _ in },
      allocator_data: Unmanaged.passUnretained(self).toOpaque())
  }

  private func block(of byteCount: Int) -> UnsafeMutableRawPointer? {
    guard let block = malloc(byteCount) else {
      isExhausted = true
      return nil
    }
    blocks.append(block)
    return block
  }

  private static func release(_ block: UnsafeMutableRawPointer) {
    #if canImport(Glibc)
      Glibc.free(block)
    #elseif canImport(Darwin)
      Darwin.free(block)
    #endif
  }
}
