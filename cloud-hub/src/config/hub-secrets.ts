import type { HubSettings } from "./hub-settings.ts";
import { readSecret, readText } from "./load-hub-settings.ts";

/** What the hub's settings name as files: the token of administrators, and the certificate with its key. */
export interface HubSecrets {
  readonly adminToken: string | null;
  readonly tls: { readonly cert: string; readonly key: string } | null;
}

/** Reads the files. Throws `config-invalid`; called before anything is started, so that a missing file is told at once. */
export function readHubSecrets(settings: HubSettings): HubSecrets {
  const { "http.admin_token_file": tokenFile, "http.tls_cert_file": certFile, "http.tls_key_file": keyFile } = settings;
  return {
    adminToken: tokenFile === null ? null : readSecret("http.admin_token_file", tokenFile),
    tls:
      certFile === null || keyFile === null
        ? null
        : { cert: readText("http.tls_cert_file", certFile), key: readSecret("http.tls_key_file", keyFile) },
  };
}
