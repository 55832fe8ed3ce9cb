#if GRPC
  import Cryptography
  import ModelRegistry

  /// A certificate for 127.0.0.1 that nobody trusts but who is told to, and its key, as files.
  struct TestCertificate: Sendable {
    let certificate: String
    let key: String
    private let folder: String

    init() throws {
      folder = "/tmp/murmur-rpc-\(SystemSecretSource().bytes(8).map { String($0, radix: 16) }.joined())"
      certificate = folder + "/certificate.pem"
      key = folder + "/key.pem"
      try DurableFile.createDirectory(folder)
      try DurableFile.write(Array(Self.certificatePEM.utf8), to: certificate)
      try DurableFile.write(Array(Self.keyPEM.utf8), to: key)
    }

    func remove() { try? DurableFile.remove(folder) }

    // openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 -subj /CN=127.0.0.1
    //   -addext subjectAltName=IP:127.0.0.1
    private static let certificatePEM = """
      -----BEGIN CERTIFICATE-----
      MIIBkTCCATagAwIBAgIUGXaeYEZeSJYnbDqstCiiE9d7aQwwCgYIKoZIzj0EAwIw
      FDESMBAGA1UEAwwJMTI3LjAuMC4xMCAXDTI2MTIwMTEyMTUwNFoYDzIxMjYxMTA3
      MTIxNTA0WjAUMRIwEAYDVQQDDAkxMjcuMC4wLjEwWTATBgcqhkjOPQIBBggqhkjO
      PQMBBwNCAARFWbsjxlRZ8xInskXenMkDUk9x1Nw15+mVruDQppI7i8/3PoMQ5Dq8
      GjOVsTx4w3g2mkvAZZZcMxKkQwg64jako2QwYjAdBgNVHQ4EFgQUuQlunnB2HC7M
      TLAf1ZLgxVS3/okwHwYDVR0jBBgwFoAUuQlunnB2HC7MTLAf1ZLgxVS3/okwDwYD
      VR0TAQH/BAUwAwEB/zAPBgNVHREECDAGhwR/AAABMAoGCCqGSM49BAMCA0kAMEYC
      IQCUb6TXCUiuQQzFKSj4L2eGz7MSplohnPOmX6W8B/oP9gIhALKdPvc5W0+GkiW4
      cYXjL6y2nCUJSeBvtu7tLdzBfUMr
      -----END CERTIFICATE-----

      """

    private static let keyPEM = """
      -----BEGIN PRIVATE KEY-----
      MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgTM3RS/C5H5R4A80k
      jsHBPouT4mCOjvMCqmLqLkxo5gChRANCAARFWbsjxlRZ8xInskXenMkDUk9x1Nw1
      5+mVruDQppI7i8/3PoMQ5Dq8GjOVsTx4w3g2mkvAZZZcMxKkQwg64jak
      -----END PRIVATE KEY-----

      """
  }
#endif
