import type { ApplyRequest, ApplyResult, Commit, Cursor, HistoryCheck, SnapshotChunk } from "@hayloft/engine";
import type { SimTable } from "./sim-catalog.ts";
import type { MakeStorage } from "./sim-node.ts";
import { SimStorage } from "./sim-storage.ts";

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
  override async settleHistory({ peer, tenant }: HistoryCheck): Promise<number | null> {
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

export interface Sabotage {
  readonly makeStorage?: MakeStorage;
  readonly falseTop?: boolean;
  /** The oracles of which one has to see it. */
  readonly oracles: readonly string[];
}

export const sabotages: Readonly<Record<string, Sabotage>> = {
  "acknowledges before it has applied": { makeStorage: storage(AckBeforeApply), oracles: ["O2"] },
  "moves the cursor one too far": { makeStorage: storage(CursorTooFar), oracles: ["O1", "O2", "O9"] },
  "applies duplicates": { makeStorage: storage(NoDedupe), oracles: ["O3"] },
  "applies in another order": { makeStorage: storage(AnyOrder), oracles: ["O3", "O5"] },
  "applies half a commit": { makeStorage: storage(HalfCommit), oracles: ["O6"] },
  "sends another tenant's rows": { makeStorage: storage(OtherTenant), oracles: ["O17"] },
  "forgets to tell outcomes": { makeStorage: storage(ForgottenOutcome), oracles: ["O4", "O1"] },
  "forgets what lost": { makeStorage: storage(ForgottenLosses), oracles: ["O2", "journal"] },
  "takes a copy's commits for known ones": { makeStorage: storage(BelievesCopies), oracles: ["O1", "O2", "O3", "O5", "O14"] },
  "says that it is the top": { falseTop: true, oracles: ["O2"] },
};
