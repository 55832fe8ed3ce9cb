/// The bytes of an input as a sequence of decisions; zeros, the quiet choice, when they are used up.
struct FuzzInput {
  private let bytes: [UInt8]
  private var position = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  var isAtEnd: Bool { position >= bytes.count }

  mutating func byte() -> UInt8 {
    guard position < bytes.count else { return 0 }
    defer { position += 1 }
    return bytes[position]
  }

  /// One of `0..<count`, from one byte up to 256 and from two above.
  mutating func below(_ count: Int) -> Int {
    guard count > 1 else { return 0 }
    let value = count > 256 ? Int(byte()) << 8 | Int(byte()) : Int(byte())
    return value % count
  }

  mutating func element<T>(of items: [T]) -> T? {
    items.isEmpty ? nil : items[below(items.count)]
  }

  /// Everything that is left.
  mutating func rest() -> [UInt8] {
    defer { position = bytes.count }
    return Array(bytes[min(position, bytes.count)...])
  }
}
