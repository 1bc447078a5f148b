import { trustedProxies } from "@hayloft/engine/ws";
import type { HubSettings } from "./hub-settings.ts";

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/;

/** True for an address that only this machine can reach. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host.replace(/^::ffff:/, ""));
}

/** What is wrong between settings that are each valid alone; empty when nothing is. */
export function hubSettingProblems(settings: HubSettings): readonly string[] {
  const problems: string[] = [];
  const hasCert = settings["http.tls_cert_file"] !== null;
  if (hasCert !== (settings["http.tls_key_file"] !== null)) {
    problems.push("http.tls_cert_file: goes together with http.tls_key_file, set both or none");
  }
  if (!hasCert && !settings["http.insecure"] && !isLoopback(settings["http.host"])) {
    problems.push(
      "http.host: is reachable from outside without TLS, set http.tls_cert_file and http.tls_key_file, or http.insecure behind a TLS proxy",
    );
  }
  const url = settings["database.url"];
  if (url !== null && new URL(url).password !== "") {
    problems.push("database.url: holds a password, put it into a file and name that with database.password_file");
  }
  if (url === null && settings["database.password_file"] !== null) problems.push("database.password_file: needs database.url");
  if (settings["watch.late_minutes"] >= settings["watch.silent_minutes"])
    problems.push("watch.late_minutes: must be less than watch.silent_minutes");
  if (settings["watch.silent_minutes"] >= settings["watch.lost_minutes"])
    problems.push("watch.silent_minutes: must be less than watch.lost_minutes");
  try {
    trustedProxies(settings["http.trusted_proxies"]);
  } catch {
    problems.push("http.trusted_proxies: holds something else than addresses and networks such as 10.0.0.0/8");
  }
  return problems;
}
