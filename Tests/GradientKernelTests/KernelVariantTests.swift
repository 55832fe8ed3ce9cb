import CKernels
import Testing

@Suite("Products with packed weights")
struct ProductTests {
  struct Shape: Sendable, CustomTestStringConvertible {
    let rows: Int
    let inputs: Int
    let panels: Int
    var testDescription: String { "\(rows) × \(inputs) → \(panels) panels" }
  }

  /// Odd sizes: below, at and beyond every tile, every block of inputs (256) and of rows (64).
  static let shapes = [
    Shape(rows: 1, inputs: 1, panels: 1), Shape(rows: 2, inputs: 3, panels: 2), Shape(rows: 3, inputs: 17, panels: 1),
    Shape(rows: 5, inputs: 64, panels: 8), Shape(rows: 7, inputs: 79, panels: 3),
    Shape(rows: 10, inputs: 256, panels: 1),
    Shape(rows: 13, inputs: 257, panels: 2), Shape(rows: 65, inputs: 29, panels: 2),
    Shape(rows: 130, inputs: 515, panels: 1),
  ]

  @Test(
    "Dense layers agree forward and back, in whatever parts; sums over inputs and rows bit for bit", arguments: shapes)
  func dense(_ shape: Shape) {
    let (m, n, k) = (shape.rows, shape.panels * 16, shape.inputs)
    var numbers = TestNumbers(seed: UInt32(m * 1000 + n))
    let (ldx, ldy) = (k + 3, n + 16)
    let x = numbers.array(m * ldx), w = numbers.array(k * n), bias = numbers.array(n), dy = numbers.array(m * ldy)
    let anchor = numbers.array(k * n), start = numbers.array(k * n)

    func outputs(_ table: ck_table, parts: Int) -> [[Float]] {
      var y = [Float](repeating: 9, count: m * ldy), rectified = y, added = y
      var dx = [Float](repeating: 9, count: m * ldx)
      var gradient = start, sum = start, step = start, db = [Float](repeating: 9, count: n)
      x.withUnsafeBufferPointer { x in
        let rows = (0..<m).map { row in x.baseAddress.map { $0 + row * ldx } }
        func part(_ count: Int, _ index: Int) -> Range<Int> { count * index / parts..<count * (index + 1) / parts }
        for index in 0..<parts {
          let panels = part(shape.panels, index)
          table.dense_forward(m, k, panels.lowerBound, panels.upperBound, rows, w, bias, &y, ldy, 0)
          table.dense_forward(m, k, panels.lowerBound, panels.upperBound, rows, w, bias, &rectified, ldy, 1)
          table.dense_forward(m, k, panels.lowerBound, panels.upperBound, rows, w, nil, &added, ldy, 0)
          let inputs = part(k, index)
          table.dense_input_gradient(m, k, inputs.lowerBound, inputs.upperBound, shape.panels, dy, ldy, w, &dx, ldx)
          for p in 0..<shape.panels {
            func each(_ target: inout [Float], _ keep: Float, _ pull: Float) {
              target.withUnsafeMutableBufferPointer { target in
                anchor.withUnsafeBufferPointer { anchor in
                  dy.withUnsafeBufferPointer { dy in
                    guard let target = target.baseAddress, let anchor = anchor.baseAddress, let dy = dy.baseAddress
                    else {
                      return
                    }
                    table.dense_weight_gradient(
                      m, inputs.lowerBound, inputs.upperBound, rows, dy + 16 * p, ldy, target + p * k * 16,
                      ck_update(keep: keep, pull: pull, anchor: pull == 0 ? nil : anchor + p * k * 16))
                  }
                }
              }
            }
            each(&gradient, 0, 0)
            each(&sum, 1, 0)
            each(&step, 0.75, 0.25)
          }
        }
        for p in 0..<shape.panels {
          db.withUnsafeMutableBufferPointer { db in
            dy.withUnsafeBufferPointer { dy in
              guard let db = db.baseAddress, let dy = dy.baseAddress else { return }
              table.bias_gradient(m, dy + 16 * p, ldy, db + 16 * p, ck_update(keep: 0, pull: 0, anchor: nil))
            }
          }
        }
      }
      return [y, rectified, added, gradient, sum, step, db, dx]
    }
    let expected = outputs(KernelVariant.reference.table, parts: 1)
    for variant in KernelVariant.all {
      let found = outputs(variant.table, parts: 1)
      for (a, b) in zip(found, expected) { #expect(distance(a, b) < 2e-5, "\(variant.testDescription)") }
      #expect(outputs(variant.table, parts: 3) == found, "\(variant.testDescription) in parts")
    }
    #expect(Array(outputs(KernelVariant.base.table, parts: 1).dropLast()) == Array(expected.dropLast()))
    for (a, b) in zip(KernelVariant.fused, KernelVariant.fused.dropFirst()) {
      #expect(outputs(a.table, parts: 1) == outputs(b.table, parts: 1))
    }
  }

  struct Convolution: Sendable, CustomTestStringConvertible {
    let height: Int, width: Int, channels: Int, panels: Int
    let kernel: (Int, Int)
    let stride: (Int, Int)
    var testDescription: String { "\(channels)x\(height)x\(width), windows \(kernel), steps \(stride)" }
  }

  @Test(
    "Convolutions agree forward and back on odd images",
    arguments: [
      Convolution(height: 3, width: 3, channels: 1, panels: 1, kernel: (3, 3), stride: (1, 1)),
      Convolution(height: 9, width: 7, channels: 1, panels: 2, kernel: (5, 5), stride: (1, 1)),
      Convolution(height: 8, width: 11, channels: 3, panels: 1, kernel: (3, 2), stride: (2, 3)),
      Convolution(height: 6, width: 70, channels: 2, panels: 1, kernel: (1, 3), stride: (1, 1)),
      Convolution(height: 14, width: 14, channels: 16, panels: 3, kernel: (4, 3), stride: (3, 1)),
    ])
  func convolution(_ shape: Convolution) {
    var numbers = TestNumbers(seed: UInt32(shape.height * 100 + shape.width))
    let (channels, pitch) = (shape.channels, shape.panels * 16)
    let rows = (shape.height - shape.kernel.0) / shape.stride.0 + 1
    let columns = (shape.width - shape.kernel.1) / shape.stride.1 + 1
    let line = (columns + 2) * pitch  // a border behind every line
    let image = numbers.array(shape.height * shape.width * channels)
    let floats = shape.kernel.1 * channels
    let weights = numbers.array(pitch * shape.kernel.0 * floats), bias = numbers.array(pitch)
    let dy = numbers.array(rows * line), start = numbers.array(weights.count)
    func outputs(_ table: ck_table) -> [[Float]] {
      var windows = ck_windows(
        rows: rows, columns: columns, window_lines: shape.kernel.0, window_floats: floats,
        image_pitch: shape.width * channels, row_step: shape.stride.0 * shape.width * channels,
        column_step: shape.stride.1 * channels, out_row: line, out_column: pitch)
      var y = [Float](repeating: 9, count: rows * line), rectified = y, plain = y, gradient = start, sum = start
      table.conv_forward(&windows, 0, shape.panels, image, weights, bias, &y, 0)
      table.conv_forward(&windows, 0, shape.panels, image, weights, bias, &rectified, 1)
      table.conv_forward(&windows, 0, shape.panels, image, weights, nil, &plain, 0)
      let panelFloats = shape.kernel.0 * floats * 16
      for p in 0..<shape.panels {
        for lines in [0..<1, 1..<shape.kernel.0] {
          dy.withUnsafeBufferPointer { dy in
            guard let dy = dy.baseAddress else { return }
            gradient.withUnsafeMutableBufferPointer { gradient in
              guard let gradient = gradient.baseAddress else { return }
              table.conv_weight_gradient(
                &windows, lines.lowerBound, lines.upperBound, image, dy + 16 * p, gradient + p * panelFloats,
                ck_update(keep: 0, pull: 0, anchor: nil))
            }
            sum.withUnsafeMutableBufferPointer { sum in
              guard let sum = sum.baseAddress else { return }
              table.conv_weight_gradient(
                &windows, lines.lowerBound, lines.upperBound, image, dy + 16 * p, sum + p * panelFloats,
                ck_update(keep: 1, pull: 0, anchor: nil))
            }
          }
        }
      }
      return [y, rectified, plain, gradient, sum]
    }
    let expected = outputs(KernelVariant.reference.table)
    #expect(outputs(KernelVariant.base.table) == expected)
    for variant in KernelVariant.fused {
      for (a, b) in zip(outputs(variant.table), expected) {
        #expect(distance(a, b) < 2e-5, "\(variant.testDescription)")
      }
      #expect(outputs(variant.table) == outputs(KernelVariant.fused[0].table))
    }
  }

  @Test("Windows are turned round place by place", arguments: [(3, 2, 1, 1), (5, 5, 1, 1), (4, 3, 2, 3), (2, 7, 2, 3)])
  func transposition(_ size: (lines: Int, columns: Int, lineStride: Int, columnStride: Int)) {
    let (channels, outputs) = (32, 48)
    // Each weight tells where it comes from.
    let weights = (0..<outputs * size.lines * size.columns * channels).map { Float($0) }
    for firstLine in 0..<min(size.lineStride, size.lines) {
      for firstColumn in 0..<min(size.columnStride, size.columns) {
        let lines = (size.lines - firstLine + size.lineStride - 1) / size.lineStride
        let columns = (size.columns - firstColumn + size.columnStride - 1) / size.columnStride
        var turned = [Float](repeating: -1, count: channels * lines * columns * outputs)
        var plan = ck_transposition(
          window_lines: size.lines, window_columns: size.columns, channels: channels, outputs: outputs,
          line_stride: size.lineStride, column_stride: size.columnStride, first_line: firstLine,
          first_column: firstColumn)
        ck_transpose_windows(&plan, weights, &turned)
        var isRight = true
        for channel in 0..<channels {
          for l in 0..<lines {
            for c in 0..<columns {
              for o in 0..<outputs {
                let line = firstLine + size.lineStride * (lines - 1 - l)
                let column = firstColumn + size.columnStride * (columns - 1 - c)
                let from =
                  (((o / 16) * size.lines + line) * size.columns + column) * channels * 16 + channel * 16 + o % 16
                let to = ((((channel / 16) * lines + l) * columns + c) * outputs + o) * 16 + channel % 16
                isRight = isRight && turned[to] == weights[from]
              }
            }
          }
        }
        #expect(isRight)
      }
    }
  }
}

@Suite("Kernels element by element")
struct ElementTests {
  @Test("Functions agree with the C library's within 3 units in the last place, and keep NaN and infinities")
  func functions() {
    var x: [Float] = [0, -0.0, 1e-30, -1e-30, 0.624, 0.626, -0.624, 88, -88, 200, -200, .infinity, -.infinity]
    var numbers = TestNumbers(seed: 3)
    x += numbers.array(500).map { $0 * 12 } + numbers.array(500)
    for variant in KernelVariant.all {
      for function in [CK_IDENTITY, CK_RELU, CK_TANH, CK_SIGMOID] {
        var y = [Float](repeating: 9, count: x.count), expected = y
        variant.table.activate(function, 1, x.count, x, 0, &y, 0)
        KernelVariant.reference.table.activate(function, 1, x.count, x, 0, &expected, 0)
        for (a, b) in zip(y, expected) {
          #expect(
            a == b || abs(a - b) <= 3 * max(b.ulp, 1e-38), "\(variant.testDescription) \(function): \(a), expected \(b)"
          )
        }
        var nan: [Float] = [1, .nan, -1]
        variant.table.activate(function, 1, 3, nan, 0, &nan, 0)
        #expect(!nan[0].isNaN && nan[1].isNaN && !nan[2].isNaN)
      }
    }
  }

  @Test("Slopes, products, sums and cells agree in rows of odd width", arguments: [1, 15, 16, 17, 100])
  func rows(width: Int) {
    let (rows, pitch) = (3, width + 5)
    var numbers = TestNumbers(seed: 7)
    let y = numbers.array(rows * pitch), dy = numbers.array(rows * pitch)
    let units = (width + 15) / 16 * 16
    let gates = numbers.array(rows * 4 * units), cells = numbers.array(rows * units),
      carried = numbers.array(rows * units)
    let dh = numbers.array(rows * units)
    func outputs(_ table: ck_table) -> [[Float]] {
      var out: [[Float]] = []
      for function in [CK_IDENTITY, CK_RELU, CK_TANH, CK_SIGMOID] {
        var dx = [Float](repeating: 9, count: rows * pitch)
        table.activate_gradient(function, rows, width, y, pitch, dy, pitch, &dx, pitch)
        out.append(dx)
        var activation = [Float](repeating: 9, count: rows * pitch)
        table.activate(function, rows, width, y, pitch, &activation, pitch)
        out.append(activation)
      }
      var product = dy
      table.multiply(width, y, dy, &product)
      table.scale(width, 0.3, &product)
      table.axpy(width, 0.7, y, &product)
      out += [product, [Float(table.sum_of_squares(width, y))]]
      for previous in [nil, cells] {
        var g = gates, c = [Float](repeating: 9, count: rows * units), h = c, dc = carried
        var dgates = [Float](repeating: 9, count: rows * 4 * units)
        table.lstm_cell(rows, units, &g, 4 * units, previous, &c, units, &h, units)
        table.lstm_cell_gradient(
          rows, units, g, 4 * units, previous, c, units, dh, units, &dc, units, &dgates, 4 * units)
        out += [g, c, h, dc, dgates]
      }
      return out
    }
    let expected = outputs(KernelVariant.reference.table)
    for variant in KernelVariant.all {
      for (a, b) in zip(outputs(variant.table), expected) {
        #expect(distance(a, b) < 1e-6, "\(variant.testDescription)")
      }
    }
  }

  @Test("Pooling agrees, with windows that overlap, and NaN wins a maximum", arguments: [(2, 2), (3, 1), (2, 3)])
  func pooling(_ window: (side: Int, stride: Int)) {
    for channels in [1, 3, 16, 33] {
      let (height, width) = (8, 7)
      let rows = (height - window.side) / window.stride + 1, columns = (width - window.side) / window.stride + 1
      var numbers = TestNumbers(seed: UInt32(channels))
      var image = numbers.array(height * width * channels).map { ($0 * 8).rounded() }  // many ties
      image[0] = .nan
      let dy = numbers.array(rows * columns * channels)
      var plan = ck_pooling(
        rows: rows, columns: columns, window_lines: window.side, window_columns: window.side, channels: channels,
        image_pitch: width * channels, image_column: channels, row_step: window.stride * width * channels,
        column_step: window.stride * channels, out_row: columns * channels, out_column: channels)
      func outputs(_ table: ck_table) -> ([UInt32], [[UInt32]]) {
        var most = [Float](repeating: 9, count: dy.count), mean = most, choice = [UInt32](repeating: 9, count: dy.count)
        table.max_pool(&plan, image, &most, &choice)
        var again = most
        table.max_pool(&plan, image, &again, nil)
        #expect(again.map(\.bitPattern) == most.map(\.bitPattern))
        table.average_pool(&plan, image, &mean)
        var first = [Float](repeating: 1, count: image.count), second = first
        table.max_pool_gradient(&plan, choice, dy, &first)
        table.average_pool_gradient(&plan, dy, &second)
        let rounded = [mean, second].map { $0.map { (($0.isNaN ? 0 : $0) * 4096).rounded().bitPattern } }
        return (choice, [most.map(\.bitPattern), first.map(\.bitPattern)] + rounded)
      }
      for variant in KernelVariant.all {
        let (choice, numbers) = outputs(variant.table)
        let expected = outputs(KernelVariant.reference.table)
        #expect(choice == expected.0, "\(variant.testDescription)")
        #expect(numbers == expected.1, "\(variant.testDescription)")
      }
    }
  }

  @Test("Optimizer steps agree", arguments: [0, 1, 15, 16, 17, 100])
  func optimizers(count: Int) {
    var numbers = TestNumbers(seed: 7)
    let gradient = numbers.array(count), anchor = numbers.array(count), start = numbers.array(count)
    func outputs(_ table: ck_table) -> [[Float]] {
      var out: [[Float]] = []
      for nesterov in [Int32(0), 1] {
        var velocity = anchor.map { $0 / 2 }, w = start
        table.sgd_step(count, 0.1, 0.9, nesterov, 0.01, 0.2, gradient, anchor, &velocity, &w)
        out += [velocity, w]
      }
      var plain = start
      table.sgd_step(count, 0.1, 0, 0, 0, 0, gradient, nil, nil, &plain)
      out.append(plain)
      for decoupled in [false, true] {
        var rule = ck_adam(
          rate: 0.01, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, decay: decoupled ? 0 : 0.1,
          decoupled_decay: decoupled ? 0.1 : 0, proximal: 0.3, correction1: 1.5, correction2: 2.5)
        var mean = anchor, square = gradient.map { $0 * $0 }, w = start
        table.adam_step(count, &rule, gradient, anchor, &mean, &square, &w)
        out += [mean, square, w]
      }
      return out
    }
    let expected = outputs(KernelVariant.reference.table)
    for variant in KernelVariant.all {
      for (a, b) in zip(outputs(variant.table), expected) {
        #expect(distance(a, b) < 1e-6, "\(variant.testDescription)")
      }
    }
  }

  @Test("Dropout's factors have the right mean, follow from seed and index, and differ between seeds")
  func dropout() {
    var all = [Float](repeating: 9, count: 100_000)
    ck_dropout_factors(all.count, 5, 0, 0.3, &all)
    let kept = all.count { $0 != 0 }
    // Five standard deviations of a binomial around 70,000.
    #expect(abs(kept - 70_000) < 725)
    #expect(Set(all) == [0, 1 / 0.7])
    var part = [Float](repeating: 9, count: 100), other = part
    ck_dropout_factors(100, 5, 1234, 0.3, &part)
    #expect(part[...] == all[1234..<1334])
    ck_dropout_factors(100, 6, 1234, 0.3, &other)
    #expect(part != other)
  }

  @Test("Subnormals are flushed on request only, and the state comes back")
  func subnormals() {
    var tiny = Float.leastNormalMagnitude
    let half = [Float](repeating: 0.5, count: 1)
    func product() -> Float { tiny * half[0] }
    #expect(product() > 0)
    let state = ck_flush_subnormals()
    let flushed = product()
    ck_restore_floating_state(state)
    #expect(flushed == 0)
    tiny = .leastNormalMagnitude
    #expect(product() > 0)
  }

  @Test("Finiteness is seen wherever it ends")
  func finiteness() {
    for count in [1, 7, 64] {
      for bad in [Float.nan, .infinity, -.infinity] {
        for position in 0..<count {
          var x = [Float](repeating: .greatestFiniteMagnitude, count: count)
          #expect(ck_is_finite(count, x) == 1)
          x[position] = bad
          #expect(ck_is_finite(count, x) == 0)
        }
      }
    }
  }
}

@Suite("Kernels of losses")
struct LossTests {
  @Test("Softmax, its loss and its gradient agree; so do predictions", arguments: [1, 2, 10, 31, 65], [Float(0), 0.1])
  func softmax(classes: Int, smoothing: Float) {
    let rows = 6
    let ld = classes + 2
    var numbers = TestNumbers(seed: UInt32(classes))
    var logits = numbers.array(rows * ld).map { $0 * 30 }
    logits[0] = 500  // far beyond what exp can represent
    let labels = (0..<rows).map { Int32($0 % classes) }

    func outputs(_ table: ck_table) -> ([Float], [Float], [Int32], [Float]) {
      var gradient = [Float](repeating: 0, count: rows * ld)
      var losses = [Float](repeating: 0, count: rows)
      var predictions = [Int32](repeating: -1, count: rows)
      table.softmax_cross_entropy(
        rows, classes, logits, ld, labels, smoothing, 0.25, &gradient, ld, &losses, &predictions)
      var again = losses
      table.softmax_cross_entropy(rows, classes, logits, ld, labels, smoothing, 0.25, nil, ld, &again, &predictions)
      #expect(again == losses)
      var probabilities = logits
      table.softmax(rows, classes, &probabilities, ld)
      return (gradient, losses, predictions, probabilities)
    }
    let expected = outputs(KernelVariant.reference.table)
    for variant in KernelVariant.all {
      let found = outputs(variant.table)
      #expect(distance(found.0, expected.0) < 1e-6)
      #expect(distance(found.1, expected.1) < 1e-6)
      #expect(found.2 == expected.2)
      #expect(distance(found.3, expected.3) < 1e-6)
    }
  }

  @Test("Binary cross-entropy and squared error agree", arguments: [1, 2, 17])
  func values(width: Int) {
    let rows = 5
    let ld = width + 3
    var numbers = TestNumbers(seed: UInt32(width))
    var outputs = numbers.array(rows * ld).map { $0 * 20 }
    outputs[0] = 300
    let targets = numbers.array(rows * width).map { abs($0) }
    func results(_ table: ck_table) -> [[Float]] {
      var gradient = [Float](repeating: 0, count: rows * ld), other = gradient
      var losses = [Float](repeating: 0, count: rows), squares = losses, again = losses
      table.binary_cross_entropy(rows, width, outputs, ld, targets, 0.25, &gradient, ld, &losses)
      table.squared_error(rows, width, outputs, ld, targets, 0.25, &other, ld, &squares)
      table.binary_cross_entropy(rows, width, outputs, ld, targets, 0.25, nil, ld, &again)
      #expect(again == losses)
      return [gradient, other, losses, squares]
    }
    let expected = results(KernelVariant.reference.table)
    for variant in KernelVariant.all {
      for (a, b) in zip(results(variant.table), expected) {
        #expect(distance(a, b) < 1e-6, "\(variant.testDescription)")
      }
    }
  }

  @Test("A logit that is not finite gives NaN, never a number", arguments: [Float.nan, .infinity, -.infinity])
  func notFinite(_ bad: Float) {
    for variant in KernelVariant.all {
      for place in [1, 16] {
        var logits = [Float](repeating: 1, count: 20)
        logits[place] = bad
        var gradient = [Float](repeating: 0, count: 20)
        var loss: Float = 0
        var prediction: Int32 = 0
        variant.table.softmax_cross_entropy(1, 20, logits, 20, [0], 0, 1, &gradient, 20, &loss, &prediction)
        #expect(loss.isNaN && gradient.allSatisfy(\.isNaN))
      }
      var gradient: [Float] = [0]
      var loss: Float = 0
      variant.table.binary_cross_entropy(1, 1, [bad], 1, [1], 1, &gradient, 1, &loss)
      #expect(loss.isNaN && gradient[0].isNaN)
      variant.table.squared_error(1, 1, [bad], 1, [1], 1, &gradient, 1, &loss)
      #expect(!loss.isFinite && !gradient[0].isFinite)
    }
  }
}
