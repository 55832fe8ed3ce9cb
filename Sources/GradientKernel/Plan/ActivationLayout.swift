import CKernels

/// Floats of a row, a pixel or a gate, rounded up to whole panels.
func pitch(_ width: Int) -> Int {
  let panel = Int(CK_PANEL)
  return (width + panel - 1) / panel * panel
}

func panelCount(_ width: Int) -> Int { pitch(width) / Int(CK_PANEL) }

/// How the numbers between two layers lie in memory, for every example of a batch.
///
/// Padding up to the pitch and borders are zero and stay so.
enum ActivationLayout: Hashable, Sendable {
  /// Shape [batch, steps, pitch]: vectors, or sequences of them.
  case rows(steps: Int, width: Int, pitch: Int)
  /// Shape [batch, height + 2 · border, width + 2 · border, pitch]: channels last, whatever the data's order, because a
  /// line of a window is then one piece of memory.
  case image(height: Int, width: Int, channels: Int, pitch: Int, border: ModelArchitecture.Extent)

  var floatsPerExample: Int {
    switch self {
    case .rows(let steps, _, let pitch): steps * pitch
    case .image(let height, let width, _, let pitch, let border):
      (height + 2 * border.height) * (width + 2 * border.width) * pitch
    }
  }

  /// Vectors of one example: what a dense layer takes one by one.
  var rowsPerExample: Int {
    switch self {
    case .rows(let steps, _, _): steps
    case .image: 1
    }
  }

  /// Numbers of a row or channels of a pixel, without padding.
  var width: Int {
    switch self {
    case .rows(_, let width, _): width
    case .image(_, _, let channels, _, _): channels
    }
  }

  /// Floats from one row, or one pixel, to the next.
  var rowPitch: Int {
    switch self {
    case .rows(_, _, let pitch), .image(_, _, _, let pitch, _): pitch
    }
  }

  /// Floats from one of `rowsPerExample` to the next.
  var rowStride: Int {
    switch self {
    case .rows(_, _, let pitch): pitch
    case .image: floatsPerExample
    }
  }

  /// Where the first number of an example's interior lies, in floats.
  var interior: Int {
    switch self {
    case .rows: 0
    case .image(_, let width, _, let pitch, let border):
      (border.height * (width + 2 * border.width) + border.width) * pitch
    }
  }

  /// Floats from one line of an image to the next.
  var linePitch: Int {
    switch self {
    case .rows(let steps, _, let pitch): steps * pitch
    case .image(_, let width, _, let pitch, let border): (width + 2 * border.width) * pitch
    }
  }

  func bordered(by border: ModelArchitecture.Extent) -> ActivationLayout {
    switch self {
    case .rows: self
    case .image(let height, let width, let channels, let pitch, _):
      .image(height: height, width: width, channels: channels, pitch: pitch, border: border)
    }
  }
}
