import { readFile, stat } from "node:fs/promises";
import { HayloftError } from "@hayloft/engine";

/**
 * The content of a secret's file without the line end. Refuses a file that others than its owner may read, with
 * `config-invalid`; the secret is never part of a message.
 */
export async function readSecret(setting: string, path: string): Promise<string> {
  try {
    const { mode } = await stat(path);
    if ((mode & 0o077) !== 0) {
      throw new HayloftError("config-invalid", { setting, file: path, problem: "others may read the file; run chmod 600 on it" });
    }
    const secret = (await readFile(path, "utf8")).replace(/\r?\n$/, "");
    if (secret === "") throw new HayloftError("config-invalid", { setting, file: path, problem: "the file is empty" });
    return secret;
  } catch (error) {
    if (error instanceof HayloftError) throw error;
    throw new HayloftError("config-invalid", { setting, file: path, problem: "the file cannot be read" }, error);
  }
}
