import type { AckRecord, ApplyRequest, Commit, SettledSeq } from "@hayloft/engine";
import { isPresent } from "@hayloft/engine";
import { checkJournals } from "./check-journals.ts";
import { checkMixedRows } from "./check-mixed-rows.ts";
import { finalCommit } from "./final-commit.ts";
import { mixedTables, sharedTenant } from "./sim-catalog.ts";
import type { SimNode } from "./sim-node.ts";
import type { StorageObserver } from "./sim-storage.ts";
import { nameOf, rowName } from "./sim-store.ts";
import { Violation } from "./violation.ts";

/** One commit that the workload wrote. */
export interface Written {
  readonly node: SimNode;
  readonly commit: Commit;
  readonly refused: boolean;
  /** Ids of its event rows. */
  readonly events: readonly string[];
  /** Its author's disk was put back before the parent had it: it may be gone, unless it was on its way. */
  readonly mayBeGone?: true;
  /** As its author had it last, before a disk without it was put back. */
  readonly last?: Commit;
}

/** Checks what must hold at every moment, while it happens. */
export class AlwaysChecker {
  readonly #nodes: () => readonly SimNode[];
  readonly #seen = new Map<string, number>();
  readonly #stamps = new Map<string, bigint>();
  readonly #cursors = new Map<string, number>();
  /** The first broken promise; the run ends at it. */
  violation: Violation | null = null;

  constructor(nodes: () => readonly SimNode[]) {
    this.#nodes = nodes;
  }

  /** A node whose disk is put back begins where that was. */
  forget({ spec, store }: SimNode): void {
    for (const known of [this.#seen, this.#stamps, this.#cursors])
      for (const name of known.keys()) if (name.startsWith(`${spec.name} `)) known.delete(name);
    for (const [name, { seq }] of store.origins) this.#seen.set(`${spec.name} ${name.split(" ")[1] ?? ""}`, seq);
  }

  observerOf(node: SimNode): StorageObserver {
    return {
      applied: (request, fresh) => this.#guard(() => this.#applied(node, request, fresh)),
      acknowledged: (ack) => this.#guard(() => this.#acknowledged(node, ack)),
      settled: (tenant, origins) => this.#guard(() => this.#settled(node, tenant, origins)),
      committed: () => node.network?.wake(),
    };
  }

  #guard(check: () => void): void {
    try {
      check();
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      this.violation ??= error;
    }
  }

  #applied(node: SimNode, { peer, node: author = peer, from, slice }: ApplyRequest, fresh: readonly Commit[]): void {
    // Before they are told apart, copies have one incarnation. A disk that was put back meanwhile has forgotten what it sent.
    const logs = this.#nodes().map((item) => item.store.logs.get(slice.tenant));
    const senders = logs.filter((log) => log?.incarnation === slice.incarnation);
    const isKnown = senders.length > 0 && !this.#nodes().some((item) => item.isRestored);
    if (isKnown && senders.every((log) => slice.upTo > (log?.position ?? 0)))
      throw new Violation("O9", "a cursor is beyond the sender's log");
    this.#cursorNeverBack(node, peer, slice.tenant, slice.incarnation);
    for (const commit of fresh) {
      this.#inOrder(node, commit, from === "child" && commit.node === author);
      this.#once(node, commit);
      if (from === "child") this.#whole(node, commit);
    }
  }

  #cursorNeverBack(node: SimNode, peer: string, tenant: string, incarnation: string): void {
    const name = `${node.spec.name} ${peer} ${tenant} ${incarnation}`;
    const position = node.store.peer(peer, tenant).received?.position ?? 0;
    if (position < (this.#cursors.get(name) ?? 0)) throw new Violation("O9", `the cursor of ${name} went back`);
    this.#cursors.set(name, position);
  }

  #inOrder(node: SimNode, commit: Commit, contiguous: boolean): void {
    const name = `${node.spec.name} ${commit.origin}`;
    const before = this.#seen.get(name) ?? 0;
    if (commit.seq <= before) throw new Violation("O3", `${nameOf(commit)} was applied again at ${node.spec.name}`);
    if (contiguous && commit.seq !== before + 1)
      throw new Violation("O5", `${nameOf(commit)} came after ${String(before)} at ${node.spec.name}`);
    this.#seen.set(name, commit.seq);
    const stamp = this.#stamps.get(name) ?? 0n;
    if (commit.stamp <= stamp) throw new Violation("O10", `the stamp of ${nameOf(commit)} does not grow`);
    this.#stamps.set(name, commit.stamp);
  }

  #once(node: SimNode, commit: Commit): void {
    const times = node.store.effects.get(nameOf(commit)) ?? 0;
    if (times > 1) throw new Violation("O3", `${nameOf(commit)} had ${String(times)} effects at ${node.spec.name}`);
  }

  /** All of its rows are there, and the row that its author had written before them. */
  #whole(node: SimNode, commit: Commit): void {
    if (node.store.outcomes.get(nameOf(commit))?.outcome === "refused") return;
    for (const change of commit.changes.filter((item) => item.table === "event")) {
      const cell = (column: string): string | null => change.values[change.columns.indexOf(column)]?.[0] ?? null;
      const present = (id: string): boolean => {
        const state = node.store.rows.get(rowName(commit.tenant, "event", id));
        return state !== undefined && isPresent(state);
      };
      if (!present(cell("id") ?? "")) throw new Violation("O6", `${nameOf(commit)} is only partly at ${node.spec.name}`);
      const previous = cell("previous");
      if (previous !== null && !present(previous)) throw new Violation("O5", `${nameOf(commit)} came before what it refers to`);
    }
  }

  #acknowledged(node: SimNode, ack: AckRecord): void {
    const peer = this.#nodes().find((item) => item.identity.nodeId === ack.peer);
    // Of a disk that was put back, acknowledgements of the one before may still come.
    if (peer === undefined || peer.spec.name !== node.spec.parent || peer.isRestored) return;
    for (const { commit, via } of node.store.log(ack.tenant).entries.slice(0, ack.position)) {
      if (via === ack.peer) continue;
      if (peer.store.origin(ack.tenant, commit.origin).seq < commit.seq)
        throw new Violation("O2", `${nameOf(commit)} was acknowledged and is not stored`);
    }
    if (ack.top && peer.spec.parent !== null) throw new Violation("O2", "somebody who is not the top acknowledged for it");
  }

  #settled(node: SimNode, tenant: string, origins: readonly SettledSeq[]): void {
    const top = this.#nodes().find((item) => item.spec.parent === null);
    for (const { origin, seq } of origins) {
      const stored = top?.store.origin(tenant, origin).seq ?? 0;
      if (stored < seq)
        throw new Violation("O2", `${origin} ${String(seq)} is said to be at the top (to ${node.spec.name}), and is not`);
    }
  }
}

/** The last of the node's own commits that was not refused on its way; those behind it never get to the top. */
const lastWanted = (node: SimNode, tenant: string): number =>
  node.store
    .log(tenant)
    .entries.findLast(
      ({ via, commit }) =>
        via === null &&
        commit.origin === node.store.log(tenant).incarnation &&
        node.store.outcomes.get(nameOf(commit))?.outcome !== "refused",
    )?.commit.seq ?? 0;

/** What is still on its way: empty when everything that was written has been everywhere. */
export function unrest(nodes: readonly SimNode[]): readonly string[] {
  return nodes.flatMap((node) => {
    const { tenant, parent: parentName, name } = node.spec;
    const parent = nodes.find((item) => item.spec.name === parentName);
    if (parent === undefined || tenant === null) return [];
    const peer = parent.identity.nodeId;
    const log = node.store.log(tenant);
    const waits: string[] = [];
    const up = node.store.peer(peer, tenant).acknowledged?.position ?? 0;
    if (up !== log.position) waits.push(`${name} up ${String(up)}/${String(log.position)}`);
    for (const of of [tenant, sharedTenant]) {
      const mark = node.store.peer(peer, of);
      const { position } = parent.store.log(of);
      if (mark.snapshot !== null || mark.received?.position !== position)
        waits.push(`${name} down ${of} ${String(mark.received?.position)}/${String(position)}`);
    }
    const { topSeq } = node.store.origin(tenant, log.incarnation);
    const seq = lastWanted(node, tenant);
    if (topSeq < seq) waits.push(`${name} at the top ${String(topSeq)}/${String(seq)}`);
    return waits;
  });
}

/**
 * Checks what must hold in the end. Throws the first violation. What a disk held alone that was put back is `mayBeGone`: all of its rows
 * may have come back, some, or none.
 */
export function checkFinally(nodes: readonly SimNode[], written: readonly Written[], mayBeGone: readonly Written[]): void {
  const top = nodes.find((node) => node.spec.parent === null);
  if (top === undefined) return;
  // What also makes rows differ is named as what it is.
  for (const node of nodes) checkTenants(node);
  for (const item of written) checkWritten(item, nodes, top);
  checkMixedRows(nodes, top, written, mayBeGone);
  for (const node of nodes) {
    for (const tenant of tenantsOf(node)) {
      for (const table of ["note", "master", ...mixedTables] as const) {
        if (tenant === sharedTenant && table !== "master") continue;
        const mine = node.store.dump(tenant, table);
        const true_ = top.store.dump(tenant, table);
        const differs = mine.findIndex((line, index) => line !== true_[index]);
        if (mine.length !== true_.length || differs >= 0) {
          throw new Violation(
            "O1",
            `${table} of ${tenant} differs at ${node.spec.name}: ${mine[differs] ?? "-"} / ${true_[differs] ?? "-"}`,
          );
        }
      }
    }
    checkSeqs(node, top);
  }
  checkJournals(nodes, written, mayBeGone, top);
}

const tenantsOf = (node: SimNode): readonly string[] => (node.spec.tenant === null ? [] : [node.spec.tenant, sharedTenant]);

function checkSeqs(node: SimNode, top: SimNode): void {
  const { tenant } = node.spec;
  if (tenant === null) return;
  const { incarnation, entries, lives } = node.store.log(tenant);
  for (const life of [incarnation, ...lives.map((of) => of.incarnation)]) {
    const own = entries.filter(({ via, commit }) => via === null && commit.origin === life).map(({ commit }) => commit.seq);
    if (own.some((value, index) => value !== index + 1)) throw new Violation("O7", `the seqs of ${node.spec.name} have a gap`);
  }
  if (node !== top && top.store.origin(tenant, incarnation).seq < lastWanted(node, tenant))
    throw new Violation("O2", `commits of ${node.spec.name} are missing at the top`);
}

/** Every value that the workload writes names its tenant. */
function checkTenants(node: SimNode): void {
  const { tenant } = node.spec;
  if (tenant === null) return;
  const allowed = new Set([tenant, sharedTenant]);
  for (const [id, state] of node.store.rows) {
    const owner = id.split("/", 1)[0] ?? "";
    if (!allowed.has(owner)) throw new Violation("O17", `a row of ${owner} is at ${node.spec.name}`);
    for (const { value } of state.cells.values()) {
      const canary = /canary-([a-z0-9]+)/u.exec(value ?? "")?.[1];
      if (canary !== undefined && !allowed.has(canary))
        throw new Violation("O17", `a value of ${canary} is at ${node.spec.name}`);
    }
  }
}

const hasCopy = ({ identity }: SimNode, nodes: readonly SimNode[]): boolean =>
  nodes.filter((node) => node.identity.nodeId === identity.nodeId).length > 1;

function checkWritten(written: Written, nodes: readonly SimNode[], top: SimNode): void {
  const { node, commit, refused, events } = written;
  const parent = nodes.find((item) => item.spec.name === node.spec.parent);
  if (parent === undefined) return;
  const first = nameOf(commit);
  // A copy gives what its parent may not have another name; the parent may have got it under both.
  const last = finalCommit(written);
  const renamed = nameOf(last);
  const isUnder = (name: string): boolean => top.store.effects.has(name) || parent.store.outcomes.has(name);
  const name = isUnder(renamed) ? renamed : first;
  const here = node.store.outcomes.get(name);
  const there = parent.store.outcomes.get(name);
  // What a disk forgot that was put back, its parent knows.
  const isForgotten = node.isRestored || parent.isRestored;
  // Of two copies the one that keeps the name is told what becomes of commits of before they parted (decision 0035).
  const mayMissMerge = there?.outcome === "merged" && here === undefined && hasCopy(node, nodes);
  if (!isForgotten && !mayMissMerge && (here?.outcome !== there?.outcome || here?.code !== there?.code)) {
    throw new Violation(
      "O4",
      `${name}: ${here?.outcome ?? "applied"} at its author, ${there?.outcome ?? "applied"} at the parent`,
    );
  }
  if (!isForgotten && refused !== (there?.outcome === "refused"))
    throw new Violation("O8", `${name} should ${refused ? "" : "not "}have been refused`);
  if (refused) return;
  if (top.store.effects.get(name) !== 1)
    throw new Violation("O3", `${name} had ${String(top.store.effects.get(name) ?? 0)} effects at the top`);
  if (!top.store.holds(last)) throw new Violation("O2", `another commit has the name ${name} at the top`);
  for (const id of events) {
    const state = top.store.rows.get(rowName(commit.tenant, "event", id));
    if (state === undefined || !isPresent(state)) throw new Violation("O2", `an event of ${name} is missing at the top`);
  }
}
