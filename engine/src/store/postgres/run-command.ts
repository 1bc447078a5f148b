import { execFile } from "node:child_process";
import { HayloftError } from "../../error/hayloft-error.ts";
import type { ServerUser } from "./server-user.ts";

/** Runs a program to its end and resolves to what it printed. Throws `unavailable` when it fails. */
export async function runCommand(program: string, args: readonly string[], user: ServerUser): Promise<string> {
  return await new Promise((resolve, reject) => {
    // Programs of Postgres want a working directory that their user can read.
    execFile(program, args, { ...user, cwd: "/", env: { ...process.env, LC_ALL: "C" } }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new HayloftError("unavailable", { program, output: stderr.slice(-500) }, error));
    });
  });
}
