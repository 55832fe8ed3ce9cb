import Foundation
import Tensors
import Testing

/// Runs `python3` (or the interpreter that `PYTHON` names) on a script and files; nil if it fails.
private func python(_ script: String, _ arguments: [String] = []) -> String? {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
  process.arguments = [ProcessInfo.processInfo.environment["PYTHON"] ?? "python3", "-c", script] + arguments
  let output = Pipe()
  process.standardOutput = output
  process.standardError = FileHandle.nullDevice
  guard (try? process.run()) != nil else { return nil }
  let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
  process.waitUntilExit()
  return process.terminationStatus == 0 ? text : nil
}

@Suite(
  "Safetensors beside the PyPI package",
  .enabled(if: python("import numpy, safetensors.numpy") != nil, "python3 cannot import safetensors and numpy"))
struct SafetensorsPackageTests {
  private let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
    "safetensors-\(UUID().uuidString)")

  init() throws { try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true) }

  @Test("Their file is read, and written again as the same bytes")
  func theirs() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appendingPathComponent("theirs.safetensors").path
    let script = """
      import sys, numpy as np
      from safetensors.numpy import save_file
      types = ["bool", "u1", "i1", "i2", "u2", "f2", "i4", "u4", "f4", "i8", "u8", "f8"]
      tensors = {f"{k}.{t}": (np.arange(6).reshape(2, 3) % 2).astype(t) for t in types for k in ["b", "a"]}
      tensors.update({"scalar": np.float32(1.5), "empty": np.zeros((0, 4), "f4"), "n\\"\\\\é\\u0001": np.ones(3, "f4")})
      tensors = {k: np.asarray(v) for k, v in tensors.items()}
      save_file(tensors, sys.argv[1], {"note \\u007f\\n": "\\t/😀"})
      print(len(tensors))
      """
    #expect(python(script, [path]) == "27\n")
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    let file = try Safetensors.decode(bytes)
    #expect(file.tensors.count == 27)
    #expect(file["scalar"]?.shape == [])
    #expect(file["a.u2"]?.bytes == [0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0])
    #expect(try Safetensors.encode(file.tensors.reversed(), metadata: file.metadata) == bytes)
  }

  @Test("Our file is read by them, and written again as the same bytes")
  func ours() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let tensors = [
      NamedTensor(name: "layer0.weight", dtype: .f32, shape: [2, 1], bytes: [UInt8](littleEndian: [1.5, -2])),
      NamedTensor(name: "layer0.bias", dtype: .f32, shape: [2], bytes: [UInt8](littleEndian: [0, 3])),
      NamedTensor(name: "steps", dtype: .i64, shape: [], bytes: [9, 0, 0, 0, 0, 0, 0, 0]),
    ]
    let input = folder.appendingPathComponent("ours.safetensors")
    let output = folder.appendingPathComponent("again.safetensors")
    try Data(Safetensors.encode(tensors, metadata: ["format": "pt"])).write(to: input)
    let script = """
      import sys
      from safetensors import safe_open
      from safetensors.numpy import load_file, save_file
      tensors = load_file(sys.argv[1])
      save_file(tensors, sys.argv[2], safe_open(sys.argv[1], "np").metadata())
      print(tensors["layer0.weight"].tolist(), tensors["layer0.bias"].tolist(), tensors["steps"].item())
      """
    #expect(python(script, [input.path, output.path]) == "[[1.5], [-2.0]] [0.0, 3.0] 9\n")
    #expect(try Data(contentsOf: output) == Data(contentsOf: input))
  }
}
