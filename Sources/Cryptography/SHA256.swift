import COpenSSL

/// SHA-256 (FIPS 180-4), over bytes given at once or piece by piece.
package struct SHA256 {
  package static let byteCount = 32

  /// Shared until written to: a copy of the struct continues on its own.
  private var state: State

  package init() { state = State() }

  package mutating func update(_ bytes: [UInt8]) {
    bytes.withUnsafeBytes { update($0) }
  }

  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    if !isKnownUniquelyReferenced(&state) { state = State(copying: state) }
    OpenSSL.require(EVP_DigestUpdate(state.context, bytes.baseAddress, bytes.count), "EVP_DigestUpdate")
  }

  /// The digest of everything so far, 32 bytes; afterwards the hash is as new.
  package mutating func finalize() -> [UInt8] {
    if !isKnownUniquelyReferenced(&state) { state = State(copying: state) }
    let context = state.context
    defer { OpenSSL.require(EVP_DigestInit_ex2(context, OpenSSL.sha256.pointer, nil), "EVP_DigestInit_ex2") }
    return [UInt8](unsafeUninitializedCapacity: Self.byteCount) { out, filled in
      OpenSSL.require(EVP_DigestFinal_ex(context, out.baseAddress, nil), "EVP_DigestFinal_ex")
      filled = Self.byteCount
    }
  }

  package static func hash(_ bytes: [UInt8]) -> [UInt8] {
    bytes.withUnsafeBytes { hash($0) }
  }

  package static func hash(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: byteCount) { out, filled in
      OpenSSL.require(
        EVP_Digest(bytes.baseAddress, bytes.count, out.baseAddress, nil, OpenSSL.sha256.pointer, nil), "EVP_Digest")
      filled = byteCount
    }
  }

  private final class State: @unchecked Sendable {  // Written by its only owner.
    let context: OpaquePointer

    init() {
      context = OpenSSL.require(EVP_MD_CTX_new(), "EVP_MD_CTX_new")
      OpenSSL.require(EVP_DigestInit_ex2(context, OpenSSL.sha256.pointer, nil), "EVP_DigestInit_ex2")
    }

    init(copying other: State) {
      context = OpenSSL.require(EVP_MD_CTX_new(), "EVP_MD_CTX_new")
      OpenSSL.require(EVP_MD_CTX_copy_ex(context, other.context), "EVP_MD_CTX_copy_ex")
    }

    deinit { EVP_MD_CTX_free(context) }
  }
}
