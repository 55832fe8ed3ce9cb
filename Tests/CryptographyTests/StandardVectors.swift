import Foundation
import Testing

/// Vectors that standards print, too long to stand in a test: `Vectors`, one folder for each standard.
enum StandardVectors {
  struct Signature: Decodable, Sendable, CustomTestStringConvertible {
    let name: String
    let seed: String
    let publicKey: String
    let message: String
    let signature: String
    var testDescription: String { name }
  }

  struct CurveSignature: Decodable, Sendable, CustomTestStringConvertible {
    let name: String
    let scalar: String
    let x: String
    let y: String
    let message: String
    let r: String
    let s: String
    var testDescription: String { name }
  }

  private struct File<Vector: Decodable>: Decodable {
    let origin: String
    let vectors: [Vector]
  }

  static func ed25519() throws -> [Signature] { try load("RFC8032/ed25519.json") }

  static func p256() throws -> [CurveSignature] { try load("RFC6979/p256-sha256.json") }

  private static func load<Vector: Decodable>(_ path: String) throws -> [Vector] {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Vectors")
    return try JSONDecoder().decode(File<Vector>.self, from: Data(contentsOf: folder.appending(path: path))).vectors
  }
}
