import { createHash, randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import { configInvalid } from "@hayloft/engine";
import * as v from "valibot";
import { parse } from "yaml";

const segment = v.pipe(
  v.string(),
  v.regex(/^[^+#/$\u0000-\u001f\u007f]{1,128}$/u, "must be 1 to 128 characters without + # / $ or controls"),
);

/** One device's account at the own broker, and the only place in the topic tree where it may publish. */
const accountSchema = v.strictObject({
  username: segment,
  /** `scrypt:` salt `:` hash, both base64url, as `hash-password` prints it. */
  password_hash: v.pipe(v.string(), v.regex(/^scrypt:[\w-]{16,}:[\w-]{32,}$/, "must be what the command hash-password prints")),
  tenant_id: segment,
  farm_id: segment,
  barn_id: segment,
  device_ids: v.optional(v.pipe(v.array(segment), v.maxLength(1000)), []),
  station_ids: v.optional(v.pipe(v.array(segment), v.maxLength(1000)), []),
});

export type DeviceAccount = v.InferOutput<typeof accountSchema>;

const derive = promisify(scrypt) as (password: string, salt: Buffer, length: number) => Promise<Buffer>;
const HASH_BYTES = 32;
const VERIFIED_MAX = 10_000;

/**
 * Reads the accounts file's text: a YAML or JSON list. Throws `config-invalid` naming each entry that is wrong; a name that
 * holds a wildcard is refused, because it would match more than itself in a rule.
 */
export function parseDeviceAccounts(text: string): ReadonlyMap<string, DeviceAccount> {
  const result = v.safeParse(v.pipe(v.array(accountSchema), v.maxLength(10_000)), parseYaml(text));
  if (!result.success) {
    const problems = result.issues.map((issue) => `broker.accounts_file: ${v.getDotPath(issue) ?? "list"}: ${issue.message}`);
    throw configInvalid(problems.slice(0, 20));
  }
  const accounts = new Map<string, DeviceAccount>();
  for (const account of result.output) {
    if (accounts.has(account.username)) throw configInvalid([`broker.accounts_file: two accounts are named ${account.username}`]);
    accounts.set(account.username, account);
  }
  return accounts;
}

/** The `password_hash` of an account. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  return `scrypt:${salt.toString("base64url")}:${(await derive(password, salt, HASH_BYTES)).toString("base64url")}`;
}

/** Checks passwords; remembers what was right, because scrypt is slow on purpose and devices reconnect in storms. */
export class PasswordChecker {
  readonly #verified = new Map<string, string>();

  async matches(account: DeviceAccount, password: Uint8Array): Promise<boolean> {
    const digest = createHash("sha256").update(account.password_hash).update(password).digest("base64url");
    if (this.#verified.get(account.username) === digest) return true;
    const [, salt = "", expected = ""] = account.password_hash.split(":");
    const actual = await derive(Buffer.from(password).toString("utf8"), Buffer.from(salt, "base64url"), HASH_BYTES);
    const wanted = Buffer.from(expected, "base64url");
    if (wanted.length !== actual.length || !timingSafeEqual(wanted, actual)) return false;
    if (this.#verified.size < VERIFIED_MAX) this.#verified.set(account.username, digest);
    return true;
  }
}

function parseYaml(text: string): unknown {
  try {
    return parse(text, { maxAliasCount: 0 });
  } catch (error) {
    throw configInvalid(["broker.accounts_file: is not YAML or JSON"], error);
  }
}
