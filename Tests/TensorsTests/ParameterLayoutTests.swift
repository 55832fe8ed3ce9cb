import Tensors
import Testing

@Suite("Parameter layouts and sets")
struct ParameterLayoutTests {
  @Test("Tensors lie in the order of their names' bytes, whatever order they were given in")
  func order() throws {
    let layout = try ParameterLayout([("b", [2, 3]), ("a.z", []), ("B", [4]), ("a", [0, 7])])
    #expect(layout.entries.map(\.name) == ["B", "a", "a.z", "b"])
    #expect(layout.entries.map(\.range) == [0..<4, 4..<4, 4..<5, 5..<11])
    #expect(layout.count == 11)
    #expect(layout["a.z"]?.range == 4..<5)
    #expect(layout["a.y"] == nil)
    #expect(try ParameterLayout([("B", [4]), ("a", [0, 7]), ("a.z", []), ("b", [2, 3])]) == layout)
  }

  @Test(
    "A layout refuses names and shapes that would be misread",
    arguments: [
      ([("", [1])], .badName("")),
      ([("tab\t", [1])], .badName("tab\t")),
      ([("é", [1])], .badName("é")),
      ([("__metadata__", [1])], .badName("__metadata__")),
      ([("a", [1]), ("a", [2])], .duplicateName("a")),
      ([("a", [-1])], .badShape(name: "a", shape: [-1])),
      ([("a", [1 << 40, 1 << 40])], .badShape(name: "a", shape: [1 << 40, 1 << 40])),
      ([("a", [1 << 32]), ("b", [1])], .badShape(name: "b", shape: [1])),
    ] as [([(String, [Int])], TensorError)])
  func refused(_ tensors: [(String, [Int])], error: TensorError) {
    #expect(throws: error) { try ParameterLayout(tensors.map { (name: $0.0, shape: $0.1) }) }
  }

  @Test("A parameter set survives its tensors bit for bit, also NaN and negative zero")
  func roundTrip() throws {
    let layout = try ParameterLayout([("w", [2, 2]), ("b", [1])])
    let values: [Float] = [-0.0, .infinity, Float(bitPattern: 0x7FC0_1234), 1.5, .leastNonzeroMagnitude]
    let set = try ParameterSet(layout: layout, values: values)
    #expect(set.tensors[0].bytes == [0, 0, 0, 0x80])
    let back = try ParameterSet(set.tensors.reversed())
    #expect(back.layout == layout)
    #expect(back.values.map(\.bitPattern) == values.map(\.bitPattern))
    #expect(set["w"]?.count == 4)
    #expect(set["x"] == nil)
  }

  @Test("Tensors of another model are refused at the first difference")
  func mismatch() throws {
    let layout = try ParameterLayout([("w", [2]), ("x", [1])])
    let other = ParameterSet(zeros: try ParameterLayout([("w", [2]), ("x", [1, 1])]))
    #expect(throws: TensorError.layoutMismatch(expected: "x[1]", found: "x[1, 1]")) {
      try ParameterSet(other.tensors, expecting: layout)
    }
    #expect(throws: TensorError.layoutMismatch(expected: "x[1]", found: nil)) {
      try ParameterSet(Array(other.tensors.prefix(1)), expecting: layout)
    }
    #expect(throws: TensorError.wrongValueCount(expected: 3, found: 2)) {
      try ParameterSet(layout: layout, values: [1, 2])
    }
    #expect(throws: TensorError.notF32(name: "w", found: .f64)) {
      try ParameterSet([NamedTensor(name: "w", dtype: .f64, shape: [], bytes: [0, 0, 0, 0, 0, 0, 0, 0])])
    }
    #expect(throws: TensorError.wrongByteCount(name: "w", expected: 8, found: 4)) {
      try ParameterSet([NamedTensor(name: "w", dtype: .f32, shape: [2], bytes: [0, 0, 0, 0])])
    }
  }
}
