/// A moment as log lines write it: `2026-11-22T14:05:09.123Z` (RFC 3339), in UTC, cut to milliseconds.
package struct LogTimestamp: Hashable, Sendable, CustomStringConvertible {
  /// Since 1970-01-01 UTC.
  package let milliseconds: Int64

  package init(milliseconds: Int64) { self.milliseconds = milliseconds }

  package var description: String {
    let day = Self.floorDivide(milliseconds, 86_400_000)
    let rest = milliseconds - day * 86_400_000
    let (year, month, dayOfMonth) = Self.civil(day)
    let date = "\(Self.digits(year, 4))-\(Self.digits(month, 2))-\(Self.digits(dayOfMonth, 2))"
    let clock = [rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60].map { Self.digits($0, 2) }
    return "\(date)T\(clock.joined(separator: ":")).\(Self.digits(rest % 1000, 3))Z"
  }

  /// The proleptic Gregorian date of a day counted from 1970-01-01 (Hinnant, "chrono-Compatible Low-Level Date
  /// Algorithms", `civil_from_days`): eras of 400 years that begin on 1 March, so that the leap day is a year's last.
  private static func civil(_ day: Int64) -> (year: Int64, month: Int64, day: Int64) {
    let shifted = day + 719_468
    let era = floorDivide(shifted, 146_097)
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * monthFromMarch + 2) / 5 + 1)
  }

  private static func floorDivide(_ a: Int64, _ b: Int64) -> Int64 { a / b - (a % b < 0 ? 1 : 0) }

  private static func digits(_ value: Int64, _ count: Int) -> String {
    let text = String(value)
    return String(repeating: "0", count: max(0, count - text.count)) + text
  }
}
