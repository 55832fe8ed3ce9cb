import Access
import Testing

@Suite("Permissions and scopes")
struct PermissionTests {
  @Test("Permissions have the words that scopes of tokens use")
  func words() { #expect(Permission.allCases.map(\.rawValue) == ["model:read", "model:infer", "admin"]) }

  @Test(
    "A scope is a permission for one model, for those whose names begin alike, or for all",
    arguments: [
      ("model:infer:digits*", .infer, ["digits", "digits-2"], ["digit", "wards", ""]),
      ("model:infer:digits", .infer, ["digits"], ["digits-2", "digit", "Digits"]),
      ("model:read", .read, ["digits", "wards"], []), ("model:read:*", .read, ["digits", "wards"], []),
      ("admin", .admin, ["digits", ""], []),
    ] as [(String, Permission, [String], [String])])
  func matches(_ text: String, _ permission: Permission, _ in: [String], _ out: [String]) throws {
    let scope = try Scope(text)
    for model in `in` {
      for other in Permission.allCases { #expect(scope.permits(other, model: model) == (other == permission)) }
    }
    for model in out { #expect(!scope.permits(permission, model: model)) }
  }

  @Test(
    "A scope is written as it is read, in its shortest form",
    arguments: [
      ("model:infer:digits*", "model:infer:digits*"), ("model:read:*", "model:read"), ("admin", "admin"),
      ("model:read:a.b-c_d", "model:read:a.b-c_d"),
    ])
  func text(_ text: String, _ shortest: String) throws {
    #expect(try Scope(text).description == shortest)
    #expect(try Scope(shortest) == Scope(text))
  }

  @Test(
    "What is no scope is refused for its reason",
    arguments: [
      ("", .unknownPermission("")), ("model", .unknownPermission("model")), ("job:run", .unknownPermission("job:run")),
      ("Model:Read", .unknownPermission("Model:Read")), ("model:infer:a:b", .unknownPermission("model:infer:a:b")),
      (" model:read", .unknownPermission(" model:read")), ("model:read:", .badPattern("")),
      ("model:read:**", .badPattern("**")), ("model:read:*digits", .badPattern("*digits")),
      ("model:read:a*b", .badPattern("a*b")), ("model:read:../x", .badPattern("../x")),
      ("admin:digits", .patternForAdmin("admin:digits")), ("admin:*", .patternForAdmin("admin:*")),
    ] as [(String, ScopeError)])
  func refused(_ text: String, _ error: ScopeError) { #expect(throws: error) { try Scope(text) } }

  @Test("A caller may do what one of its scopes permits, and is told what it may not")
  func principal() throws {
    let caller = Principal(key: .apiKey(id: "k1"), scopes: [try Scope("model:read"), try Scope("model:infer:digits*")])
    #expect(caller.may(.read, model: "wards"))
    #expect(caller.may(.infer, model: "digits-2"))
    #expect(!caller.may(.infer, model: "wards"))
    #expect(throws: AccessError.forbidden(.infer, model: "wards")) { try caller.require(.infer, model: "wards") }
    #expect(throws: AccessError.forbidden(.admin, model: "")) { try caller.require(.admin, model: "") }
  }
}
