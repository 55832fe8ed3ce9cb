extension Duration {
  /// Rounded down; the largest Int beyond its range.
  var wholeMicroseconds: Int { Int(exactly: (self / .microseconds(1)).rounded(.down)) ?? .max }
}
