/// Moments as people write them in files (RFC 3339): `2027-01-01T00:00:00Z`, or `2027-01-01` for its first second.
///
/// Always UTC; days are those of the Gregorian calendar, seconds those of Unix, without leap seconds.
package enum UTCTime {
  package static let expected = "a moment such as '2027-01-01T00:00:00Z', or a day such as '2027-01-01'"

  /// Seconds since 1970; nil for anything else, for a day or hour that does not exist, and for a year before 1970.
  package static func seconds(_ text: String) -> UInt64? {
    let characters = Array(text.utf8)
    guard characters.count == 10 || characters.count == 20, hasSeparators(characters) else { return nil }
    func number(_ digits: Range<Int>) -> Int? {
      let found = characters[digits]
      guard found.allSatisfy({ (48...57).contains($0) }) else { return nil }
      return found.reduce(0) { $0 * 10 + Int($1 - 48) }
    }
    guard let year = number(0..<4), let month = number(5..<7), let day = number(8..<10), year >= 1970,
      (1...12).contains(month), day >= 1, day <= dayCount(of: month, in: year)
    else { return nil }
    let days = days(year, month, day)
    guard characters.count == 20 else { return UInt64(days * 86_400) }
    guard let hour = number(11..<13), let minute = number(14..<16), let second = number(17..<19), hour < 24,
      minute < 60, second < 60
    else { return nil }
    return UInt64(days * 86_400 + hour * 3600 + minute * 60 + second)
  }

  /// The moment with its seconds; of years with four digits, the inverse of `seconds`.
  package static func text(_ seconds: UInt64) -> String {
    var rest = Int(clamping: seconds / 86_400)
    // Four hundred years have as many days everywhere: this finds the year without counting from 1970.
    var year = 1970 + rest / 146_097 * 400
    rest %= 146_097
    while rest >= (isLeap(year) ? 366 : 365) {
      rest -= isLeap(year) ? 366 : 365
      year += 1
    }
    var month = 1
    while rest >= dayCount(of: month, in: year) {
      rest -= dayCount(of: month, in: year)
      month += 1
    }
    let time = Int(seconds % 86_400)
    let day = "\(padded(year, 4))-\(padded(month, 2))-\(padded(rest + 1, 2))"
    return "\(day)T\(padded(time / 3600, 2)):\(padded(time / 60 % 60, 2)):\(padded(time % 60, 2))Z"
  }

  private static func hasSeparators(_ characters: [UInt8]) -> Bool {
    let places: [(Int, Character)] = [(4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":"), (19, "Z")]
    return places.allSatisfy { $0 >= characters.count || characters[$0] == $1.asciiValue }
  }

  /// Days from 1970-01-01.
  private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int {
    func leapDays(before year: Int) -> Int { (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400 }
    let years = (year - 1970) * 365 + leapDays(before: year) - leapDays(before: 1970)
    return (1..<month).reduce(years + day - 1) { $0 + dayCount(of: $1, in: year) }
  }

  private static func isLeap(_ year: Int) -> Bool { year % 4 == 0 && year % 100 != 0 || year % 400 == 0 }

  private static func dayCount(of month: Int, in year: Int) -> Int {
    switch month {
    case 2: isLeap(year) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }

  private static func padded(_ number: Int, _ width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }
}
