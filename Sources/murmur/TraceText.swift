import Simulation

/// The message sequence of a round for people.
enum TraceText {
  static func lines(_ trace: RoundTrace) -> [String] {
    let lines = trace.lines
    var table = TextTable([
      ("from (s)", .right), ("to (s)", .right), ("sender", .left), ("", .left), ("receiver", .left), ("kind", .left),
      ("messages", .right), ("bytes", .right), ("lost", .right),
    ])
    for case .messages(let burst) in lines {
      table.append([
        Readable.decimal(burst.start, 3), Readable.decimal(burst.end, 3), burst.sender, "->", burst.receiver,
        burst.kind,
        "\(burst.messages)", "\(burst.bytes)", burst.lost > 0 ? "\(burst.lost)" : "",
      ])
    }
    var rows = table.lines[...]
    let header = rows.removeFirst()
    let width = header.prefix { $0 == " " }.count + "from (s)".count
    var text = ["round \(trace.round), messages in virtual time", header]
    for line in lines {
      switch line {
      case .messages: text.append(rows.removeFirst())
      case .remark(let time, let remark):
        text.append(TextTable.pad(Readable.decimal(time, 3), to: width, .right) + "  -- \(remark)")
      }
    }
    if trace.unlisted > 0 { text.append("… and \(trace.unlisted) more") }
    return text
  }
}
