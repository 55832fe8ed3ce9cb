import Access
import Federation
import Hosting
import Inference
import NIOCore
import NIOHTTP1

/// Lets callers in, or says why not.
struct Entrance: Sendable {
  let gate: Gatekeeper

  /// What can be said against a request before its body is read; nil if nothing can, or not yet.
  func refusal(_ headers: HTTPHeaders) -> InferenceError? {
    do throws(InferenceError) {
      guard case .refused(let error) = gate.known(try credential(in: headers), now: WallClock.unixSeconds) else {
        return nil
      }
      return InferenceError(error)
    } catch {
      return error
    }
  }

  /// Says who asks and that they may; `body` is called once, on the loop.
  ///
  /// - Parameter model: that it is about, `*` for all; nil where each answer is checked by itself.
  func enter(
    _ headers: HTTPHeaders, _ permission: Permission, model: String?, on loop: HTTPLoop,
    then body: @escaping (Result<Principal, InferenceError>) -> Void
  ) {
    let credential: Credential
    do throws(InferenceError) {
      credential = try self.credential(in: headers)
    } catch {
      return body(.failure(error))
    }
    switch gate.known(credential, now: WallClock.unixSeconds) {
    case .granted(let principal): body(permitted(principal, permission, model))
    case .refused(let error): body(.failure(InferenceError(error)))
    case .unverified:
      let bound = NIOLoopBound(body, eventLoop: loop.eventLoop)
      let eventLoop = loop.eventLoop
      Task {
        let result = await gate.verify(credential, now: WallClock.unixSeconds)
        eventLoop.execute {
          switch result {
          case .success(let principal): bound.value(permitted(principal, permission, model))
          case .failure(let error): bound.value(.failure(InferenceError(error)))
          }
        }
      }
    }
  }

  private func permitted(
    _ principal: Principal, _ permission: Permission, _ model: String?
  ) -> Result<Principal, InferenceError> {
    guard let model else { return .success(principal) }
    do throws(AccessError) {
      try principal.require(permission, model: model)
      return .success(principal)
    } catch {
      return .failure(InferenceError(error))
    }
  }

  private func credential(in headers: HTTPHeaders) throws(InferenceError) -> Credential {
    do throws(AccessError) {
      return try Credential(authorization: headers["authorization"], apiKey: headers["x-api-key"])
    } catch {
      throw InferenceError(error)
    }
  }
}
