import Foundation
import FoundationXML

/// A page or picture as an XML parser sees it.
final class ParsedMarkup: NSObject, XMLParserDelegate {
  private(set) var elements: [(name: String, attributes: [String: String])] = []
  /// The text of each element that has any, in its order.
  private(set) var texts: [String] = []
  private var pending = ""

  /// Nil for what is not well-formed.
  init?(_ text: String) {
    super.init()
    let parser = XMLParser(data: Data(text.utf8))
    parser.delegate = self
    guard parser.parse() else { return nil }
  }

  func count(_ name: String) -> Int { elements.count { $0.name == name } }

  func attributes(_ name: String, of element: String) -> [String] {
    elements.filter { $0.name == element }.compactMap { $0.attributes[name] }
  }

  func parser(
    _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
    attributes: [String: String]
  ) {
    flush()
    elements.append((name, attributes))
  }

  func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
    flush()
  }

  func parser(_ parser: XMLParser, foundCharacters string: String) { pending += string }

  private func flush() {
    let text = pending.trimmingCharacters(in: .whitespacesAndNewlines)
    if !text.isEmpty { texts.append(text) }
    pending = ""
  }
}
