import type { AckRecord, ApplyRequest, ApplyResult, Commit, Cursor, HistoryCheck, SnapshotChunk } from "@hayloft/engine";
import type { DiskFaults } from "./faults.ts";
import type { SimTable } from "./sim-catalog.ts";
import type { MakeStorage } from "./sim-node.ts";
import { SimStorage } from "./sim-storage.ts";
import type { SimStore } from "./sim-store.ts";

/** Storages with one planted bug each, to prove that the checkers see it. */

class AckBeforeApply extends SimStorage {
  override async apply(request: ApplyRequest): Promise<ApplyResult> {
    setImmediate(() => void super.apply(request).catch(() => undefined));
    return { position: request.slice.upTo, outcomes: [], rowsApplied: 0, commitsApplied: 0, commitsDuplicate: 0 };
  }
}

class CursorTooFar extends SimStorage {
  override async receivedCursors(peer: string): Promise<readonly Cursor[]> {
    return (await super.receivedCursors(peer)).map((cursor) => ({ ...cursor, position: cursor.position + 1 }));
  }
}

class NoDedupe extends SimStorage {
  protected override accept({ slice }: ApplyRequest): readonly Commit[] {
    return slice.commits;
  }
}

class AnyOrder extends SimStorage {
  protected override accept(request: ApplyRequest): readonly Commit[] {
    return super.accept(request).toReversed();
  }
}

class HalfCommit extends SimStorage {
  protected override applyCommit(commit: Commit, request: ApplyRequest): boolean {
    return super.applyCommit({ ...commit, changes: commit.changes.slice(0, 1) }, request);
  }
}

class OtherTenant extends SimStorage {
  protected override page(
    tenant: string,
    table: SimTable,
    tableIndex: number,
    afterKey: string | null,
    rowsMax: number,
  ): SnapshotChunk | null {
    const chunk = super.page(tenant === "t1" ? "t2" : tenant, table, tableIndex, afterKey, rowsMax);
    return chunk === null ? null : { ...chunk, tenant };
  }
}

class ForgottenOutcome extends SimStorage {
  override async apply(request: ApplyRequest): Promise<ApplyResult> {
    return { ...(await super.apply(request)), outcomes: [] };
  }
}

class ForgottenLosses extends SimStorage {
  override async apply(request: ApplyRequest): Promise<ApplyResult> {
    const { journal } = this.store;
    const take = journal.take.bind(journal);
    journal.take = () => undefined;
    try {
      return await super.apply(request);
    } finally {
      journal.take = take;
    }
  }
}

class BelievesCopies extends SimStorage {
  override async settleHistory({ peer, tenant }: HistoryCheck): Promise<number> {
    return this.store.peer(peer, tenant).acknowledged?.position ?? 0;
  }

  protected override accept(request: ApplyRequest): readonly Commit[] {
    const known = request.slice.commits.filter(({ tenant, origin, seq }) => seq <= this.store.origin(tenant, origin).seq);
    const { slice } = request;
    return super.accept({ ...request, slice: { ...slice, commits: slice.commits.filter((commit) => !known.includes(commit)) } });
  }
}

const storage =
  (Broken: typeof SimStorage): MakeStorage =>
  (options) =>
    new Broken(options);

/** A commit with something else in the operations of its rows; members that `change` leaves out are gone. */
function withOps(commit: Commit, change: (ops: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>>): Commit {
  const changed = (text: string | null): string | null =>
    text === null ? null : JSON.stringify(change(JSON.parse(text) as Readonly<Record<string, unknown>>));
  return {
    ...commit,
    changes: commit.changes.map((item) => {
      const place = item.columns.indexOf("$ops");
      const isOps = (index: number): boolean => index === place;
      return { ...item, values: item.values.map((vector, index) => (isOps(index) ? vector.map(changed) : vector)) };
    }),
  };
}

/** A storage that writes the rows of commits otherwise than they came; what it passes on is as it came. */
const mangled = (change: (commit: Commit, store: SimStore) => Commit): MakeStorage => {
  class Mangled extends SimStorage {
    protected override applyCommit(commit: Commit, request: ApplyRequest): boolean {
      const { store } = this;
      const writeRows = store.writeRows.bind(store);
      store.writeRows = (sound) => writeRows(change(sound, store));
      try {
        return super.applyCommit(commit, request);
      } finally {
        store.writeRows = writeRows;
      }
    }
  }
  return storage(Mangled);
};

/** As if the writer had seen whatever was written before by anybody who is known here. */
function seenAll({ stamp, node }: Commit, store: SimStore): Readonly<Record<string, string>> {
  const nodes = new Set([...store.rows.values()].flatMap(({ cells }) => [...cells.values()].map((register) => register.node)));
  return Object.fromEntries([...nodes].filter((other) => other !== node && other !== "").map((other) => [other, String(stamp)]));
}

const without =
  (name: string) =>
  (ops: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
    Object.fromEntries(Object.entries(ops).filter(([member]) => member !== name));

class TakesEverything extends SimStorage {
  protected override refusalOf(): null {
    return null;
  }
}

class KeepsRefused extends SimStorage {
  override async recordAcknowledgement(ack: AckRecord): Promise<void> {
    const { store } = this;
    const writeTruth = store.writeTruth.bind(store);
    store.writeTruth = (tenant, truth, judged) => writeTruth(tenant, truth, judged, false);
    try {
      await super.recordAcknowledgement(ack);
    } finally {
      store.writeTruth = writeTruth;
    }
  }
}

export interface Sabotage {
  readonly makeStorage?: MakeStorage;
  readonly falseTop?: boolean;
  readonly disks?: DiskFaults;
  /** Virtual time with faults, where the bug shows sooner or later than with the usual one. */
  readonly chaosMs?: number;
  /** The first seed that is tried, where others do not show the bug or take long; default 1. */
  readonly firstSeed?: number;
  /** The oracles of which one has to see it. */
  readonly oracles: readonly string[];
}

export const sabotages: Readonly<Record<string, Sabotage>> = {
  "acknowledges before it has applied": { makeStorage: storage(AckBeforeApply), firstSeed: 4, oracles: ["O2"] },
  "moves the cursor one too far": { makeStorage: storage(CursorTooFar), oracles: ["O1", "O2", "O9"] },
  "applies duplicates": { makeStorage: storage(NoDedupe), oracles: ["O3"] },
  "applies in another order": { makeStorage: storage(AnyOrder), oracles: ["O3", "O5"] },
  "applies half a commit": { makeStorage: storage(HalfCommit), oracles: ["O6"] },
  "sends another tenant's rows": { makeStorage: storage(OtherTenant), oracles: ["O17"] },
  "forgets to tell outcomes": { makeStorage: storage(ForgottenOutcome), oracles: ["O4", "O1"] },
  "forgets what lost": { makeStorage: storage(ForgottenLosses), oracles: ["O2", "journal"] },
  "takes a copy's commits for known ones": {
    makeStorage: storage(BelievesCopies),
    disks: { restores: true, clones: true },
    chaosMs: 4_000,
    firstSeed: 6,
    oracles: ["O1", "O2", "O3", "O5", "O11", "O12"],
  },
  "loses a counter's differences": {
    makeStorage: mangled((commit) => withOps(commit, without("hits"))),
    oracles: ["O11"],
  },
  "takes away additions that a removal had not seen": {
    makeStorage: mangled((commit, store) =>
      withOps(commit, (ops) => ("labels" in ops ? { ...ops, $seen: seenAll(commit, store) } : ops)),
    ),
    oracles: ["O12"],
  },
  "keeps versions under review that were replaced": {
    makeStorage: mangled((commit) => withOps(commit, without("$seen"))),
    oracles: ["O12"],
  },
  "lets a delete win over updates that it had not seen": {
    makeStorage: mangled((commit, store) =>
      commit.changes.some(({ table, op }) => table === "herd" && op === "delete")
        ? withOps(commit, (ops) => ({ ...ops, $seen: seenAll(commit, store) }))
        : commit,
    ),
    firstSeed: 9,
    oracles: ["O12"],
  },
  "takes in what is to be refused": { makeStorage: storage(TakesEverything), oracles: ["O8"] },
  "keeps a refused change at its author": { makeStorage: storage(KeepsRefused), oracles: ["O1", "O11", "O12"] },
  "says that it is the top": { falseTop: true, oracles: ["O2"] },
};
