import type { DeviceAccount } from "./device-accounts.ts";

/**
 * True when the account may publish to the topic: its own tenant, farm and barn, and one of its own devices or stations, in
 * the segments where the topic has them. Nothing is matched by pattern, so no name can mean more than itself.
 */
export function mayPublish(account: DeviceAccount, topic: string): boolean {
  const [root, kind, tenant, farm, barn, subject] = topic.split("/");
  if (root !== "iot" || subject === undefined) return false;
  if (tenant !== account.tenant_id || farm !== account.farm_id || barn !== account.barn_id) return false;
  if (kind === "weighvision") return account.station_ids.includes(subject);
  return (kind === "telemetry" || kind === "event" || kind === "status") && account.device_ids.includes(subject);
}

/** True when the account may subscribe: only below `iot/command/` and its own names, wildcards only after them. */
export function maySubscribe(account: DeviceAccount, filter: string): boolean {
  const [root, kind, tenant, farm, barn, subject] = filter.split("/");
  if (root !== "iot" || kind !== "command" || subject === undefined) return false;
  if (tenant !== account.tenant_id || farm !== account.farm_id || barn !== account.barn_id) return false;
  return account.device_ids.includes(subject) || account.station_ids.includes(subject);
}

/** True when a client id or user name is harmless in a topic rule: no wildcard, separator, `$` or control character. */
export function isPlainName(name: string): boolean {
  return /^[^+#/$\u0000-\u001f\u007f]{1,128}$/u.test(name);
}
