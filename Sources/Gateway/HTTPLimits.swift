/// Bounds on what the connections of a gateway may bring.
package struct HTTPLimits: Hashable, Sendable {
  /// Longest body that is taken, before and after decompression, in bytes.
  package var bodyBytesMax = 16 << 20
  /// Bodies of all connections together, in bytes; who comes beyond it is told to come again.
  package var bodiesBytesMax = 256 << 20
  /// All header fields of a request together, in bytes.
  package var headerBytesMax = 16 << 10
  package var headerCountMax = 64
  /// Longest request target, in bytes.
  package var targetBytesMax = 4 << 10
  /// Connections open at once; more are closed as they come.
  package var connectionsMax = 1_024
  /// A connection on which nothing comes or goes is closed after it.
  package var idle = Duration.seconds(75)

  package init() {}
}
