import Wire
import ZeroMQ

/// A DEALER that asks a `RequestServer`: numbers its requests, repeats those that were not answered, and gives each a
/// deadline.
///
/// Answers that nobody waits for (chunks, above all) go to the listener.
actor RequestClient<Request: WireMessage, Reply: FailableReply> {
  /// What the listener hears.
  enum Event: Sendable {
    case reply(Reply, payload: Frame?)
    case linkLost
    case linkRestored
    /// Twice a second.
    case tick
    /// The server does not let this key in: nothing will ever come.
    case refused(RuntimeError)
  }

  struct Patience: Sendable {
    /// For an answer, from the question on.
    var deadline = Duration.seconds(10)
    /// Time after which a question that can be repeated is asked again.
    var pause = Duration.seconds(2)
  }

  private struct Waiting {
    let frames: [Frame]
    let isRepeatable: Bool
    let answer: @Sendable (Result<Reply, RuntimeError>) -> Void
    var isSent = false
    var timers: [LoopTimer] = []
  }

  /// Messages that wait for the connection beside questions; the oldest goes.
  private static var unsentCountMax: Int { 64 }

  nonisolated let loop: IOLoop
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  private let socket: Socket
  private let endpoint: Endpoint
  private let server: String
  private let patience: Patience
  private let isRefusalFinal: Bool
  private var watch: SocketWatch?
  private var waiting: [UInt64: Waiting] = [:]
  private var unsent: [[Frame]] = []
  private var lastID: UInt64 = 0
  private var linkWatch = LinkWatch()
  private var isConnected = false
  private var refusal: RuntimeError?
  /// What went wrong last with a connection, for who asks in vain.
  private var problem = ""
  private var listener: (@Sendable (Event) -> Void)?

  /// - Parameters:
  ///   - socket: not connected yet, with its keys.
  ///   - server: who is to answer, for errors: "the serving node".
  ///   - isRefusalFinal: whether a refused key ends all hope; otherwise it fails what is asked now, and the next
  ///     connection may fare better.
  init(
    loop: IOLoop, socket: consuming sending Socket, endpoint: Endpoint, server: String,
    patience: Patience = Patience(), isRefusalFinal: Bool = true
  ) {
    self.isRefusalFinal = isRefusalFinal
    self.loop = loop
    self.socket = socket
    self.endpoint = endpoint
    self.server = server
    self.patience = patience
  }

  /// Connects. An address that cannot be connected to refuses every question.
  func start(listener: (@Sendable (Event) -> Void)? = nil) {
    self.listener = listener
    do throws(ZeroMQError) {
      try socket.monitor(on: loop, for: self) { client, event in client.connectionChanged(event.kind) }
      if listener != nil { loop.schedule(every: .milliseconds(500), for: self) { $0.listener?(.tick) } }
      watch = loop.watch(socket, for: self) { client, event in client.receive(event) }
      try socket.connect(endpoint)
    } catch {
      refuse(RuntimeError(error))
    }
  }

  /// Asks, and waits for the answer.
  ///
  /// - Parameter isRepeatable: whether the question may be asked again while it is not answered.
  /// - Throws: `RuntimeError` of category `notAuthorised` if the server does not know this key, `network` if there is
  ///   no answer within the deadline, and the server's own refusal.
  nonisolated func ask(_ request: Request, isRepeatable: Bool = true) async throws(RuntimeError) -> Reply {
    let cancellation = Cancellation()
    let result = await withTaskCancellationHandler {
      await withCheckedContinuation { (continuation: CheckedContinuation<Result<Reply, RuntimeError>, Never>) in
        loop.post(to: self) { client in
          let id = client.ask(request, isRepeatable: isRepeatable) { continuation.resume(returning: $0) }
          if cancellation.begin(id) { client.cancel(id) }
        }
      }
    } onCancel: {
      guard let id = cancellation.cancel() else { return }
      loop.post(to: self) { $0.cancel(id) }
    }
    let reply = try result.get()
    if let failure = reply.failure { throw RuntimeError(failure) }
    return reply
  }

  /// Asks; the answer comes on the loop, once.
  @discardableResult
  func ask(
    _ request: Request, isRepeatable: Bool, then answer: @escaping @Sendable (Result<Reply, RuntimeError>) -> Void
  ) -> UInt64 {
    lastID += 1
    let id = lastID
    if let refusal {
      answer(.failure(refusal))
      return id
    }
    do throws(WireError) {
      let frames = [Frame(copying: try request.encoded(request: id))]
      var entry = Waiting(frames: frames, isRepeatable: isRepeatable, answer: answer)
      entry.timers.append(loop.schedule(after: patience.deadline, for: self) { $0.deadlinePassed(id) })
      if isRepeatable {
        entry.timers.append(loop.schedule(every: patience.pause, for: self) { $0.repeatQuestion(id) })
      }
      waiting[id] = entry
      trySend(id)
    } catch {
      answer(.failure(RuntimeError(.usage, "\(error)")))
    }
    return id
  }

  /// Sends a request whose answers go to the listener, now or when there is a connection.
  func post(_ request: Request) {
    lastID += 1
    guard let header = try? request.encoded(request: lastID) else { return }
    unsent.append([Frame(copying: header)])
    if unsent.count > Self.unsentCountMax { unsent.removeFirst() }
    flush()
  }

  // MARK: Sending

  private func trySend(_ id: UInt64) {
    guard let entry = waiting[id], !entry.isSent else { return }
    if hasSent(entry.frames) { waiting[id]?.isSent = true } else { watch?.notifyWhenWritable() }
  }

  private func repeatQuestion(_ id: UInt64) {
    waiting[id]?.isSent = false
    trySend(id)
  }

  private func flush() {
    for id in waiting.keys.sorted() { trySend(id) }
    while let first = unsent.first {
      guard hasSent(first) else {
        watch?.notifyWhenWritable()
        return
      }
      unsent.removeFirst()
    }
  }

  private func hasSent(_ frames: [Frame]) -> Bool {
    do throws(ZeroMQError) {
      return try socket.send(frames) == .sent
    } catch {
      problem = error.description
      return false
    }
  }

  // MARK: Receiving

  private func receive(_ event: SocketEvent) {
    switch event {
    case .message(let message): receive(message)
    case .refused: problem = "it answers with what is not a message"
    case .writable: flush()
    case .failed(let error): refuse(RuntimeError(error))
    }
  }

  private func receive(_ message: Message) {
    do throws(WireError) {
      guard let header = message.frames.first, message.frames.count <= 2 else {
        throw .badField("frames", found: "\(message.frames.count)", expected: "1 or 2")
      }
      let payload = message.frames.count == 2 ? message.frames[1] : nil
      let received = try Reply.receive(header.bytes, payloadBytes: payload?.count)
      guard waiting[received.request] != nil else {
        listener?(.reply(received.message, payload: payload))
        return
      }
      finish(received.request, .success(received.message))
    } catch {
      problem = "its answer cannot be read: \(error)"
    }
  }

  private func reconnectIfGivenUp() {
    guard linkWatch.takeGivenUp() else { return }
    do throws(ZeroMQError) {
      try socket.reconnect(endpoint)
    } catch {
      refuse(RuntimeError(error))
    }
  }

  private func connectionChanged(_ kind: ConnectionEvent.Kind) {
    if linkWatch.note(kind) { loop.schedule(after: LinkWatch.patience, for: self) { $0.reconnectIfGivenUp() } }
    switch kind {
    case .handshakeSucceeded:
      isConnected = true
      listener?(.linkRestored)
      flush()
    case .disconnected:
      guard isConnected else { return }
      isConnected = false
      unsent = []  // A download that pauses asks anew.
      listener?(.linkLost)
    case .handshakeRefused:
      refuse(
        RuntimeError(
          .notAuthorised,
          "\(server) at \(endpoint) does not let this key in: found no such member with a role for it, expected one"))
    case .handshakeViolatedProtocol, .handshakeFailed:
      problem = "the handshake fails: it is not who the file 'federation' says"
    case .listening, .accepted, .connected, .bindFailed, .acceptFailed, .connectRetried: break
    }
  }

  private func refuse(_ error: RuntimeError) {
    guard refusal == nil else { return }
    if isRefusalFinal { refusal = error }
    listener?(.refused(error))
    for id in waiting.keys.sorted() { finish(id, .failure(error)) }
  }

  // MARK: Ends

  private func deadlinePassed(_ id: UInt64) {
    let reason = problem.isEmpty ? "" : " (\(problem))"
    finish(
      id, .failure(RuntimeError(.network, "\(server) at \(endpoint): no answer within \(patience.deadline)\(reason)")))
  }

  private func cancel(_ id: UInt64) {
    finish(id, .failure(RuntimeError(.failed, "interrupted")))
  }

  private func finish(_ id: UInt64, _ result: Result<Reply, RuntimeError>) {
    guard let entry = waiting.removeValue(forKey: id) else { return }
    for timer in entry.timers { timer.cancel() }
    entry.answer(result)
  }
}

/// Brings together a question's number and its cancellation, whichever comes first.
private final class Cancellation: Sendable {
  private let state = Locked<(id: UInt64?, isCancelled: Bool)>((nil, false))

  /// True if the question is cancelled already.
  func begin(_ id: UInt64) -> Bool {
    state.withLock {
      $0.id = id
      return $0.isCancelled
    }
  }

  /// The question to take back, if it has been asked.
  func cancel() -> UInt64? {
    state.withLock {
      $0.isCancelled = true
      return $0.id
    }
  }
}
