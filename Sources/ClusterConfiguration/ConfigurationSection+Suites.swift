import Federation

extension ConfigurationSection {
  /// The name that suite 3 will have.
  private static let reservedSuite = "hybrid"
  private static let suiteNames: KeyValuePairs<String, RoundConfiguration.Suite> = [
    "aes-128": .aes128, "aes-256": .aes256,
  ]

  /// A cipher suite; the one that is reserved is refused in its own words.
  func suite(_ key: String, default value: RoundConfiguration.Suite) throws(ConfigurationError)
    -> RoundConfiguration.Suite
  {
    do throws(ConfigurationError) {
      return try choice(key, default: value, of: Self.suiteNames)
    } catch {
      throw Self.explained(error)
    }
  }

  /// Cipher suites, each once.
  func suites(_ key: String, default value: [RoundConfiguration.Suite]) throws(ConfigurationError)
    -> [RoundConfiguration.Suite]
  {
    do throws(ConfigurationError) {
      return try choices(key, default: value, of: Self.suiteNames)
    } catch {
      throw Self.explained(error)
    }
  }

  private static func explained(_ error: ConfigurationError) -> ConfigurationError {
    guard error.found == "\"\(reservedSuite)\"" || error.found == "\(RoundConfiguration.Suite.reserved)" else {
      return error
    }
    return ConfigurationError(
      file: error.file, line: error.line, key: error.key, found: error.found,
      expected: "'aes-128' or 'aes-256': \(RoundConfiguration.Suite.reservedMeaning)")
  }
}
