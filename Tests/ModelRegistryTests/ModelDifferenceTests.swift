import Federation
import Tensors
import Testing

@testable import ModelRegistry

@Suite("Difference of two versions")
struct ModelDifferenceTests {
  private static func floats(_ name: String, _ values: [Float]) -> NamedTensor {
    NamedTensor(
      name: name, dtype: .f32, shape: [values.count],
      bytes: values.flatMap { withUnsafeBytes(of: $0.bitPattern.littleEndian, Array.init) })
  }

  private static func doubles(_ name: String, _ values: [Double]) -> NamedTensor {
    NamedTensor(
      name: name, dtype: .f64, shape: [values.count],
      bytes: values.flatMap { withUnsafeBytes(of: $0.bitPattern.littleEndian, Array.init) })
  }

  private static func bytes(_ name: String, _ values: [UInt8]) -> NamedTensor {
    NamedTensor(name: name, dtype: .u8, shape: [values.count], bytes: values)
  }

  private static func difference(_ a: [NamedTensor], _ b: [NamedTensor]) throws -> ModelDifference {
    func manifest(_ version: ModelVersion, _ tensors: [NamedTensor]) throws -> Manifest {
      Fixture.manifest(version, of: try ModelArtifact(tensors: tensors, model: "digits", version: version))
    }
    return ModelDifference(from: (try manifest(1, a), a), to: (try manifest(2, b), b))
  }

  @Test("Of numbers the norm, the relative and the largest change are told, and how many changed")
  func numbers() throws {
    let found = try Self.difference(
      [Self.doubles("a", [1, 2]), Self.floats("w", [3, 4, 0, 0])],
      [Self.doubles("a", [1, 2]), Self.floats("w", [0, 4, 4, 0])])
    let change = ModelDifference.Change(norm: 5, relative: 1, largest: 4, count: 2, elements: 4)
    #expect(found.tensors.map(\.name) == ["a", "w"])
    #expect(found.tensors.map(\.difference) == [.same, .changed(change)])
    #expect(
      found.total
        == ModelDifference.Change(norm: 5, relative: (25.0 / 30).squareRoot(), largest: 4, count: 2, elements: 6))
  }

  @Test(
    "Where there is no change of numbers, it is said what there is",
    arguments: [
      (
        [floats("w", [0])], [floats("w", [2])],
        .changed(.init(norm: 2, relative: nil, largest: 2, count: 1, elements: 1))
      ),
      ([floats("w", [1])], [floats("w", [1, 2])], .replaced), ([floats("w", [1])], [doubles("w", [1])], .replaced),
      ([bytes("w", [1])], [bytes("w", [1])], .same), ([bytes("w", [1])], [bytes("w", [2])], .replaced),
      ([floats("w", [1])], [], .removed), ([], [floats("w", [1])], .added),
    ] as [([NamedTensor], [NamedTensor], ModelDifference.Tensor)])
  func others(_ a: [NamedTensor], _ b: [NamedTensor], _ expected: ModelDifference.Tensor) throws {
    #expect(try Self.difference(a, b).tensors.map(\.difference) == [expected])
  }

  @Test("Members of the manifests that differ are told, those that agree are not")
  func facts() throws {
    let facts = try Self.difference([Self.floats("w", [1])], [Self.floats("w", [1])]).facts
    #expect(facts.contains(.init(name: "version", first: "1", second: "2")))
    #expect(facts.contains(.init(name: "round", first: "1", second: "2")))
    #expect(!facts.contains { ["model", "signer", "architecture", "model digest"].contains($0.name) })
    let same = try Self.difference([Self.floats("w", [1])], [Self.floats("w", [1])])
    #expect(same.total == nil)
  }
}
