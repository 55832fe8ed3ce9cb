/// Asks again until the condition holds; false if it does not within the limit. For what tells nobody when it happens: a
/// line in another process's log, the end of a process that is not our child.
func eventually(within limit: Duration = .seconds(20), _ condition: () throws -> Bool) async throws -> Bool {
  let deadline = ContinuousClock.now + limit
  while ContinuousClock.now < deadline {
    if try condition() { return true }
    try await Task.sleep(for: .milliseconds(50))
  }
  return try condition()
}
