import type { SnapshotChunk } from "../../replica/replica-storage.ts";
import { invalid } from "../invalid.ts";
import type { BodyLimits } from "./body-budget.ts";
import { BodyBudget, charactersOf } from "./body-budget.ts";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { readChanges, writeChanges } from "./changes-codec.ts";
import { readColumn, writeColumn } from "./column-codec.ts";

type Page = Pick<SnapshotChunk, "change" | "stamps">;

/** A page: one change, then whether stamps follow, then the stamps as one more column. */
export function encodePage({ change, stamps }: Page, limits: BodyLimits): Uint8Array {
  const writer = new ByteWriter(16_384);
  const budget = new BodyBudget(limits);
  writeChanges(writer, [change], budget);
  if (stamps !== null && stamps.length !== change.rowCount) throw invalid("chunk.stamps", "one entry per row");
  writer.byte(stamps === null ? 0 : 1);
  if (stamps !== null) {
    budget.addCharacters(charactersOf(stamps));
    writeColumn(writer, stamps, []);
  }
  return writer.finish();
}

export function decodePage(body: Uint8Array, limits: BodyLimits): Page {
  const reader = new ByteReader(body);
  const budget = new BodyBudget(limits);
  const [change, ...others] = readChanges(reader, budget);
  if (change === undefined || others.length > 0) throw invalid("body", "one change");
  const stamped = reader.byte();
  if (stamped > 1) throw invalid("body", "0 or 1");
  const stamps = stamped === 0 ? null : readColumn(reader, change.rowCount, [], budget);
  reader.end();
  return { change, stamps };
}
