/// One picture: two axes and what is drawn between them.
package struct Plot: Hashable, Sendable {
  /// Points joined by a line.
  struct Line: Hashable, Sendable {
    let label: String
    let points: [Point]
    let colour: String
    var dash = ""
    /// Half the height of each point's error bar; empty without.
    var spreads: [Double] = []
    /// Whether points are marked however many there are.
    var isMarked = false
    var isJoined = true
  }

  struct Point: Hashable, Sendable {
    let x: Double
    let y: Double
  }

  /// One layer of stacked bars: as many values as the plot has bars.
  struct Layer: Hashable, Sendable {
    let label: String
    let values: [Double]
    let colour: String
  }

  struct Bars: Hashable, Sendable {
    let positions: [Double]
    /// In units of x.
    let width: Double
    /// From the axis outwards.
    let layers: [Layer]
    /// Whether they grow from the left, along x, at rows of y.
    var isHorizontal = false
  }

  /// A stretch of x in one row of y.
  struct Interval: Hashable, Sendable {
    let row: Int
    let from: Double
    let to: Double
    let label: String
    let colour: String
    /// Of this very stretch.
    let note: String
  }

  /// A cell of a heat map.
  struct Cell: Hashable, Sendable {
    let column: Int
    let row: Int
    /// From 0 to 1, light to dark; nil for an empty cell.
    let share: Double?
    let text: String
  }

  enum Mark: Hashable, Sendable {
    case line(Line)
    case bars(Bars)
    case intervals([Interval])
    case cells([Cell])
    /// A horizontal line to compare with.
    case rule(y: Double, label: String)
  }

  /// Of the file, without its ending.
  package let name: String
  package let title: String
  let x: Axis
  let y: Axis
  let marks: [Mark]
  var width: Double = 640
  var height: Double = 300

  /// A file of its own.
  package var file: String { "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + PlotDrawing(self).element + "\n" }

  /// An element of a page.
  var element: String { PlotDrawing(self).element }
}
