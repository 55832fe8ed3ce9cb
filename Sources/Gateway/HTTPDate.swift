import Glibc

/// The field `date` (RFC 9110 §5.6.7), made once a second.
struct HTTPDate {
  private var second: Int = -1
  private var text = ""

  mutating func text(at unixSeconds: Int) -> String {
    guard unixSeconds != second else { return text }
    second = unixSeconds
    var time = time_t(unixSeconds)
    var parts = tm()
    gmtime_r(&time, &parts)
    let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
    text =
      "\(days[Int(parts.tm_wday)]), \(two(parts.tm_mday)) \(months[Int(parts.tm_mon)]) \(parts.tm_year + 1900) "
      + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) GMT"
    return text
  }
}
