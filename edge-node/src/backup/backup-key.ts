import { HayloftError } from "@hayloft/engine";
import { readSecret } from "../settings/read-secret.ts";

/** Whom a backup is made for, and what opens it. */
export interface BackupKey {
  /** `age1…`: enough to make backups. */
  readonly recipients: readonly string[];
  /** `AGE-SECRET-KEY-1…`: opens them. Empty on a box that makes backups which only others can open. */
  readonly identities: readonly string[];
}

/**
 * Reads a key file as the program `age` knows it: one key or recipient a line, lines with # are comments. Throws `config-invalid`
 * when it cannot be read, others may read it, or a line is neither; no line is ever part of a message.
 */
export async function readBackupKey(setting: string, file: string): Promise<BackupKey> {
  const lines = (await readSecret(setting, file)).split(/\r?\n/u).map((line) => line.trim());
  const used = lines.filter((line) => line !== "" && !line.startsWith("#"));
  const identities = used.filter((line) => line.startsWith("AGE-SECRET-KEY-1"));
  const recipients = used.filter((line) => line.startsWith("age1"));
  if (used.length === 0 || identities.length + recipients.length < used.length || used.length > 20) {
    throw new HayloftError("config-invalid", { setting, file, problem: "must hold 1 to 20 age keys or recipients, one a line" });
  }
  const { identityToRecipient } = await import("age-encryption");
  try {
    const own = await Promise.all(identities.map(async (identity) => await identityToRecipient(identity)));
    return { identities, recipients: [...new Set([...recipients, ...own])] };
  } catch {
    // The library's error may quote the key.
    throw new HayloftError("config-invalid", { setting, file, problem: "holds a key that is not well formed" });
  }
}

/** A new key file's text: the key, and above it, as a comment, the recipient that a box needs to make backups for it. */
export async function newKeyText(atMs: number): Promise<string> {
  const { generateX25519Identity, identityToRecipient } = await import("age-encryption");
  const identity = await generateX25519Identity();
  return `# made ${new Date(atMs).toISOString()}\n# recipient: ${await identityToRecipient(identity)}\n${identity}\n`;
}
