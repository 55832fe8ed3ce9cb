import CKernels

/// One matrix of weights in panels, and how it and its bias lie in the canonical update vector.
///
/// The canonical tensor is [outputs, inputs] row-major, with windows as trailing dimensions. Packed, the weight from place
/// `i` to output `o` is element `[o / CK_PANEL][i][o % CK_PANEL]`; places without a canonical input are zero.
struct PackedMatrix: Hashable, Sendable {
  /// First float in the packed buffer.
  var offset: Int
  /// Places along the input side, padding included.
  var places: Int
  var panels: Int
  /// Canonical tensor.
  var tensor: Range<Int>
  /// The packed output of each canonical row.
  var outputs: [Int32]
  /// The place of each canonical column.
  var inputs: [Int32]

  var floatCount: Int { panels * places * Int(CK_PANEL) }

  /// Calls `body` with each canonical index and its packed one.
  func forEach(_ body: (_ canonical: Int, _ packed: Int) -> Void) {
    let panel = Int(CK_PANEL)
    var canonical = tensor.lowerBound
    for output in outputs {
      let o = Int(output)
      let start = offset + o / panel * places * panel + o % panel
      for input in inputs {
        body(canonical, start + Int(input) * panel)
        canonical += 1
      }
    }
  }
}

/// Numbers of which the packed buffer holds rows with padding: a bias, or an embedding's vectors.
struct PackedRows: Hashable, Sendable {
  var offset: Int
  var rows: Int
  var pitch: Int
  var tensor: Range<Int>
  /// The place in a row of each canonical column.
  var columns: [Int32]

  var floatCount: Int { rows * pitch }

  func forEach(_ body: (_ canonical: Int, _ packed: Int) -> Void) {
    var canonical = tensor.lowerBound
    for row in 0..<rows {
      for column in columns {
        body(canonical, offset + row * pitch + Int(column))
        canonical += 1
      }
    }
  }
}
