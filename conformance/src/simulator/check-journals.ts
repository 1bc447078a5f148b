import type { Change, Commit, CellWrite, Stamp } from "@hayloft/engine";
import { columnOf, rowKeys, seenReader, writeName } from "@hayloft/engine";
import type { Written } from "./checkers.ts";
import { finalCommit } from "./final-commit.ts";
import type { SimNode } from "./sim-node.ts";
import { nameOf, planOf, rowName } from "./sim-store.ts";
import { Violation } from "./violation.ts";

interface NoteWrite {
  readonly name: string;
  readonly write: CellWrite;
  readonly commit: Commit;
  readonly tenant: string;
}

/**
 * No value vanishes: every value that was ever written to a cell of `note` stands, was overwritten by somebody who had seen it,
 * or is in the journal at the top. And the journals are equal as far as both could see: what is in one of them is in the top's, and
 * a node that had applied a value which lost has it in its own, unless a snapshot hid from it what came between. A value
 * that came early, in an answer or a page, may be said to have lost where it was overwritten knowingly before its commit came.
 */
export function checkJournals(
  nodes: readonly SimNode[],
  written: readonly Written[],
  mayBeGone: readonly Written[],
  top: SimNode,
): void {
  const writes = written.flatMap((item) => (item.refused ? [] : noteWrites(finalCommit(item))));
  const overwritten = new Set(writes.flatMap(({ commit }) => seenWrites(commit)));
  const perhapsOverwritten = new Set(mayBeGone.flatMap((item) => seenWrites(finalCommit(item))));
  const atTop = top.store.journal.entries();
  // Whoever writes is taken to have seen what its own node wrote before, and copies have one node.
  const copied = new Set(nodes.flatMap((node) => (node.isRestored ? [node.identity.nodeId] : [])));
  for (const { name, write, tenant } of writes) {
    if (copied.has(write.written.node)) continue;
    const isKnown = overwritten.has(name) || atTop.has(name);
    const isCurrent = stands(top, tenant, write);
    if (!isKnown && !isCurrent && !perhapsOverwritten.has(name))
      throw new Violation("O2", `${name} has vanished: it neither stands nor is in the journal`);
    if (isKnown && isCurrent) throw new Violation("O2", `${name} stands and is said to have lost`);
  }
  const cameEarly = new Set(nodes.flatMap((node) => [...node.store.cameEarly]));
  // A disk that was put back, or copied, has not seen all that it once saw, nor has who began anew and took a snapshot amid its own
  // work; and who is below these has it from there.
  const uncopied = writes.filter(({ write }) => !copied.has(write.written.node));
  for (const node of nodes.filter(knowsAll(nodes))) compareJournals(node, top, uncopied, { atTop, cameEarly, copied });
}

const knowsAll =
  (nodes: readonly SimNode[]) =>
  (node: SimNode): boolean => {
    const parent = nodes.find(({ spec }) => spec.name === node.spec.parent);
    const hasBegunAnew = [...node.store.logs.values()].some(({ lives }) => lives.length > 0);
    return !node.isRestored && !hasBegunAnew && (parent === undefined || knowsAll(nodes)(parent));
  };

function compareJournals(
  node: SimNode,
  top: SimNode,
  writes: readonly NoteWrite[],
  {
    atTop,
    cameEarly,
    copied,
  }: {
    readonly atTop: ReadonlyMap<string, unknown>;
    readonly cameEarly: ReadonlySet<string>;
    readonly copied: ReadonlySet<string>;
  },
): void {
  const mine = node.store.journal.entries();
  for (const [name, { loser, winner }] of mine) {
    if (copied.has(loser.node) || copied.has(winner.node)) continue;
    if (!atTop.has(name) && !node.store.unknownBySnapshot.has(name) && !cameEarly.has(name))
      throw new Violation("journal", `${name} has lost at ${node.spec.name}, and not at ${top.spec.name}`);
  }
  for (const { name, commit } of writes) {
    const isUnknown = node.store.unknownBySnapshot.has(name) || top.store.unknownBySnapshot.has(name);
    const saw = node.store.effects.has(nameOf(commit)) && !isUnknown;
    if (saw && atTop.has(name) && !mine.has(name))
      throw new Violation("journal", `${name} has lost at ${top.spec.name}, and ${node.spec.name} does not say so`);
  }
}

const notesOf = (commit: Commit): readonly Change[] => commit.changes.filter(({ table }) => table === "note");

function noteWrites(commit: Commit): readonly NoteWrite[] {
  const plan = planOf("note");
  return notesOf(commit).flatMap((change) =>
    rowKeys(change, plan).flatMap((key, row) =>
      (columnOf(change, "$changed")?.[row] ?? "").split(",").map((column): NoteWrite => {
        const write = { table: "note", key: [key], column, written: stampOf(commit) };
        return { name: writeName(write), write, commit, tenant: commit.tenant };
      }),
    ),
  );
}

const stampOf = ({ stamp, node }: Commit): Stamp => ({ stamp, node });

/** The writes that the commit's author had seen and replaced. */
function seenWrites(commit: Commit): readonly string[] {
  const plan = planOf("note");
  return notesOf(commit).flatMap((change) => {
    const seenOf = seenReader(change, plan);
    return rowKeys(change, plan).flatMap((key, row) =>
      [...(seenOf(row)?.cells ?? [])].map(([column, written]) => writeName({ table: "note", key: [key], column, written })),
    );
  });
}

function stands(node: SimNode, tenant: string, { table, key, column, written }: CellWrite): boolean {
  const register = node.store.rows.get(rowName(tenant, table, key.join()))?.cells.get(column);
  return register !== undefined && register.stamp === written.stamp && register.node === written.node;
}
