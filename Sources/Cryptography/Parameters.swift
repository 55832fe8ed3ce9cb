import COpenSSL

/// Parameters keep the pointers that they are given, so names (those of core_names.h) are static strings: a `String` passed
/// to C lives for the one call only. OpenSSL reads the values and does not write them.
extension OSSL_PARAM {
  static func octets(_ name: StaticString, _ value: UnsafeRawBufferPointer) -> OSSL_PARAM {
    OSSL_PARAM(
      key: pointer(name), data_type: UInt32(OSSL_PARAM_OCTET_STRING),
      data: UnsafeMutableRawPointer(mutating: value.baseAddress), data_size: value.count,
      return_size: OSSL_PARAM_UNMODIFIED)
  }

  static func text(_ name: StaticString, _ value: StaticString) -> OSSL_PARAM {
    OSSL_PARAM(
      key: pointer(name), data_type: UInt32(OSSL_PARAM_UTF8_STRING),
      data: UnsafeMutableRawPointer(mutating: value.utf8Start), data_size: value.utf8CodeUnitCount,
      return_size: OSSL_PARAM_UNMODIFIED)
  }

  private static func pointer(_ name: StaticString) -> UnsafePointer<CChar> {
    UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self)
  }
}
