const noTls = "the port does not speak TLS; check address and port";

/** What OpenSSL and Node call what can be wrong with a peer's certificate, and what to do about each. */
const problems: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "the certificate has expired; renew it",
  CERT_NOT_YET_VALID: "the certificate is not valid yet; check the clocks of both machines",
  ERR_TLS_CERT_ALTNAME_INVALID: "the certificate is for another name; check the address",
  DEPTH_ZERO_SELF_SIGNED_CERT: "the certificate is signed by nobody we trust; name its authority in mqtt.ca_file",
  SELF_SIGNED_CERT_IN_CHAIN: "the certificate is signed by nobody we trust; name its authority in mqtt.ca_file",
  UNABLE_TO_GET_ISSUER_CERT: "the certificate is signed by nobody we trust; name its authority in mqtt.ca_file",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "the certificate is signed by nobody we trust; name its authority in mqtt.ca_file",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "the certificate is signed by nobody we trust; name its authority in mqtt.ca_file",
  CERT_SIGNATURE_FAILURE: "the certificate is signed by nobody we trust; name its authority in mqtt.ca_file",
  ERR_SSL_WRONG_VERSION_NUMBER: noTls,
};

/** What is wrong with a TLS connection, in words for a person; null when the error is another one. */
export function tlsProblemOf(error: Error): string | null {
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  // A plain broker hangs up on the first bytes; Node has no code of its own for that.
  if (code === "ECONNRESET" && error.message.includes("before secure TLS connection")) return `tls: ${noTls}`;
  return problems[code] === undefined ? null : `tls: ${problems[code]}`;
}
