import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { HayloftError } from "@hayloft/engine";
import { keepProgram, keptProgramFile, openPgliteDatabase, proveProgram, trainProgram } from "@hayloft/engine/pglite";
import { usualWork } from "./usual-work.ts";

/** The two halves of a preparation, each in a process of its own, because V8 ends the process when something is wrong. */
export const prepareSteps = ["train", "prove"] as const;
export type PrepareStep = (typeof prepareSteps)[number];

/** In the place of a day's work, for tests: enough that V8 has code to keep. */
async function briefWork(): Promise<void> {
  const database = await openPgliteDatabase({ dataDir: null });
  for (let turn = 0; turn < 100; turn += 1) await database.query("select count(*) from pg_class where relname = $1", ["x"]);
  await database.close();
}

/**
 * Keeps the machine code of PGlite for this Node and this processor, so that daemons start in half the time. One process works as a
 * daemon does and writes down what V8 optimised, another proves that it works with that. Returns the file of it, and whether that was
 * there already. Throws `store-failed` when one of the two fails; then daemons start as they did.
 */
export async function prepareProgram(again: boolean, brief: boolean): Promise<{ file: string; wasKept: boolean }> {
  const kept = again ? null : keptProgramFile();
  if (kept !== null) return { file: kept, wasKept: true };
  const directory = await mkdtemp(path.join(tmpdir(), "hayloft-prepare-"));
  try {
    const draft = path.join(directory, "code");
    for (const step of prepareSteps) await runStep(step, draft, brief);
    return { file: keepProgram(draft), wasKept: false };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** One half, in a process that `prepareProgram` started. */
export async function doStep(step: PrepareStep, draft: string, brief: boolean): Promise<void> {
  const directory = path.join(path.dirname(draft), step);
  const work = async (): Promise<void> => await (brief ? briefWork() : usualWork(directory));
  await (step === "train" ? trainProgram(draft, work) : proveProgram(draft, work));
}

async function runStep(step: PrepareStep, draft: string, brief: boolean): Promise<void> {
  const args = [...process.execArgv, process.argv[1] ?? "", "prepare", "--step", step, "--draft", draft];
  if (brief) args.push("--brief");
  const child: ChildProcess = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr?.on("data", (chunk: Buffer) => (said = `${said}${chunk.toString()}`.slice(-1_000)));
  const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
  if (code !== 0) throw new HayloftError("store-failed", { step, code, signal, said });
}
