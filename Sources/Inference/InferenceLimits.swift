/// Bounds on one request. Each holds before memory is taken by a number that a peer wrote.
package struct InferenceLimits: Hashable, Sendable {
  /// Longest body, JSON and binary tensors together, in bytes.
  package var bodyBytesMax = 16 << 20
  /// Most inputs, and most outputs, that a request names.
  package var tensorCountMax = 64
  /// Most extents of a shape.
  package var rankMax = 8
  /// Most elements of all inputs together: 16 MiB of FP32.
  package var elementCountMax = 4 << 20
  /// Longest name of an input or output, in bytes of UTF-8.
  package var nameBytesMax = 256
  /// Longest `id`, in bytes of UTF-8.
  package var idBytesMax = 256
  /// Longest parameter `timeout`.
  package var timeoutMax = Duration.seconds(86_400)
  /// Deepest nesting of JSON, the outermost value counted: three above `data`, one for each extent, and some to ignore.
  package var depthMax = 16

  package init() {}
}
