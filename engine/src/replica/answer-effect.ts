import { HayloftError } from "../error/hayloft-error.ts";
import { encodeSlice } from "../protocol/commit-parts.ts";
import type { ComparisonAnswer } from "../protocol/frame.ts";
import { encodeFrame } from "../protocol/frame-codec.ts";
import { proofOf } from "../session/proof.ts";
import type { SessionEffect } from "../session/session-effect.ts";
import {
  type HandshakeAnswer,
  nowhere,
  type Positions,
  type ReplicationEvent,
  type SessionEvent,
} from "../session/session-event.ts";
import type { LogHead, ReplicaStorage } from "./replica-storage.ts";
import type { SessionPorts } from "./session-ports.ts";

type EffectOf<Type extends SessionEffect["type"]> = Extract<SessionEffect, { type: Type }>;
/** Effects that take time: those of the storage and of the handshake. */
export type AnsweredEffect = Exclude<
  SessionEffect,
  EffectOf<"send" | "transmit" | "close" | "established" | "compared" | "filling" | "skew" | "come-back" | "ended">
>;

export interface AnswerOptions {
  readonly ports: SessionPorts;
  readonly sharedTenant: string;
  /** The parent that we dialled; null when the peer is a child. */
  readonly parent: { readonly node: string; readonly publicKey: Uint8Array; readonly tenant: string } | null;
  /** Something changed that receipts or other sessions wait for. */
  readonly onProgress: (tenant: string) => void;
  /** Something of the peer was stored: the session was worth its while. */
  readonly onStored?: () => void;
  /** True while our own parent has yet to send us the registry, so that we cannot tell whom we know. */
  readonly unready?: () => Promise<boolean>;
}

type Answerers = {
  readonly [Type in AnsweredEffect["type"]]: (options: AnswerOptions, effect: EffectOf<Type>) => Promise<SessionEvent | null>;
};

/** Does what the session asked for. The event it resolves to is the session's answer; null when it wants none. */
export async function answerEffect(options: AnswerOptions, effect: AnsweredEffect): Promise<SessionEvent | null> {
  // The table pairs each type with its own answerer; the compiler cannot follow that through the lookup.
  const perform = answerers[effect.type] as (options: AnswerOptions, effect: AnsweredEffect) => Promise<SessionEvent | null>;
  return await perform(options, effect);
}

const answer = (of: HandshakeAnswer): SessionEvent => ({ type: "answer", answer: of });
const work = (of: ReplicationEvent): SessionEvent => ({ type: "work", work: of });
const parentNode = ({ parent }: AnswerOptions): string => {
  if (parent === null) throw new HayloftError("unavailable", { reason: "no-parent" });
  return parent.node;
};

const answerers: Answerers = {
  "check-parent": checkParent,
  "sign-welcome": async ({ ports }, { hello, nonce }) => {
    const { identity } = ports;
    return answer({ type: "welcome-signed", signature: identity.sign(proofOf("parent", hello, nonce, identity.nodeId)) });
  },
  "check-child": checkChild,
  "read-log": readLog,
  apply: async ({ ports, onStored }, { request }) => {
    const result = await ports.storage.apply(request);
    if (result.commitsApplied > 0) onStored?.();
    return work({ type: "applied", tenant: request.slice.tenant, result });
  },
  "read-part": readPart,
  "apply-part": async ({ ports, onStored }, { request }) => {
    const { tenant } = request.part.slice;
    const result = await ports.storage.applyPart(request);
    onStored?.();
    return work(result === null ? { type: "part-staged", tenant } : { type: "applied", tenant, result });
  },
  "record-ack": async ({ ports, onProgress }, { ack }) => {
    await ports.storage.recordAcknowledgement(ack);
    onProgress(ack.tenant);
    return work({ type: "ack-recorded", ack });
  },
  restamp: async (options, { tenant }) => {
    await options.ports.storage.restampUnacknowledged(parentNode(options), tenant);
    return work({ type: "restamped", tenant });
  },
  "settle-history": async ({ ports }, { check }) => {
    const { tenant, peer } = check;
    const settled = await ports.storage.settleHistory(check);
    if (typeof settled === "number") return work({ type: "history-settled", tenant, after: settled });
    ports.log({ level: "warn", event: "incarnation-begun", peer, details: { tenant, cause: settled }, error: null });
    return work({ type: "history-settled", tenant, after: null });
  },
  "read-settled": async ({ ports }, { tenant, origins }) =>
    work({ type: "settled-read", tenant, origins: await ports.storage.settledSeqs(tenant, origins) }),
  "record-settled": async ({ ports, onProgress }, { tenant, origins }) => {
    await ports.recordSettled(tenant, origins);
    onProgress(tenant);
    return null;
  },
  "take-grant": async (options, { tenant, granted }) => {
    const changed = await options.ports.storage.takeGrant(parentNode(options), tenant, granted);
    return work({ type: "grant-taken", tenant, changed });
  },
  "begin-snapshot": beginSnapshot,
  "read-page": readPage,
  "apply-pages": async (options, { tenant, pages, ownAfter, peerVersion, tables, offers, goesOn }) => {
    const [first] = pages;
    if (first !== undefined) {
      const chunks = pages.map(({ chunk }) => chunk);
      const peer = parentNode(options);
      await options.ports.storage.applySnapshot(peer, chunks, first.at, ownAfter, { peerVersion, tables, offers, goesOn });
      options.onStored?.();
    }
    return work({ type: "page-applied", tenant });
  },
  "answer-comparison": async ({ ports }, effect) =>
    work({ type: "comparison-answered", answer: await answerComparison(ports, effect) }),
  "finish-snapshot": async (options, { at, goesOn }) => {
    await options.ports.storage.finishSnapshot(parentNode(options), at, goesOn);
    return work({ type: "snapshot-finished", tenant: at.tenant });
  },
};

async function answerComparison(
  { comparison, log }: SessionPorts,
  { peer, grant, question }: EffectOf<"answer-comparison">,
): Promise<ComparisonAnswer> {
  if (comparison === undefined) throw new HayloftError("unavailable", { reason: "no-comparison" });
  const child = { peer, grant };
  const { id } = question;
  if (question.type === "compare") {
    return { type: "compared", id, answer: await comparison.compareRanges(child, question.question) };
  }
  const answered: ComparisonAnswer =
    question.type === "compare_rows"
      ? { type: "rows_compared", id, answer: await comparison.compareRows(child, question.question) }
      : { type: "repaired", id, answer: await comparison.takeRepair(child, question.request) };
  const { tenant, healed } = { tenant: grant.tenant, healed: answered.answer.healed };
  if (healed > 0) log({ level: "warn", event: "rows-repaired", peer, details: { tenant, healed, by: "child" }, error: null });
  return answered;
}

async function checkParent(options: AnswerOptions, { hello, welcome }: EffectOf<"check-parent">): Promise<SessionEvent> {
  const { ports, parent, sharedTenant } = options;
  if (parent === null) throw new HayloftError("unavailable", { reason: "no-parent" });
  const valid = ports.verify(parent.publicKey, proofOf("parent", hello, welcome.nonce, parent.node), welcome.signature);
  const signature = ports.identity.sign(proofOf("child", hello, welcome.nonce, parent.node));
  const positions = valid ? await childPositions(ports, parent, sharedTenant, welcome.catalogVersion) : nowhere;
  return answer({ type: "parent-checked", valid, signature, positions });
}

/** No node's key: a proof of an unknown node is checked against it, so that it takes as long as any other. */
const nobodysKey = new Uint8Array(32);

/** The same work for a node that exists and for one that does not: one look-up and one check of a signature. */
async function checkChild(
  { ports, sharedTenant, unready }: AnswerOptions,
  { hello, nonce, prove }: EffectOf<"check-child">,
): Promise<SessionEvent> {
  const found = await ports.registry.find({ tenant: hello.tenant, node: hello.node });
  const proof = proofOf("child", hello, nonce, ports.identity.nodeId);
  const proven = ports.verify(found?.publicKey ?? nobodysKey, proof, prove.signature);
  if (found === null || !proven) {
    return answer({ type: "child-checked", node: null, peer: "", positions: nowhere, unready: (await unready?.()) ?? false });
  }
  const { node, grant } = found;
  const { storage } = ports;
  const { heads, lives = [] } = prove;
  const copy =
    prove.copy ??
    (await otherLog(
      storage,
      node,
      heads.find(({ tenant }) => tenant === grant.tenant),
    ));
  const peer = copy === null ? node : await storage.peerOfCopy(grant.tenant, node, copy);
  const logs = [...new Set([sharedTenant, grant.tenant])];
  // First: a log that begins anew has another head.
  const received = prove.received.filter(({ tenant }) => logs.includes(tenant));
  const lost = await storage.findLost(peer, { received, heads: prove.heads });
  if (lost.length > 0)
    ports.log({ level: "warn", event: "commits-lost-here", peer: node, details: { tenants: lost.join(" ") }, error: null });
  // What all tenants read nobody below may write, not even to give it back.
  const offers = lost.filter((tenant) => tenant === grant.tenant && tenant !== sharedTenant);
  const positions = {
    ...nowhere,
    ...(await readPositions(ports, peer, logs)),
    offers,
    lives: await storage.lives(logs),
    chains: await storage.chainPoints(
      node,
      [...heads, ...lives].filter(({ tenant }) => tenant === grant.tenant),
    ),
  };
  return answer({ type: "child-checked", node: { node, grant }, peer, positions, unready: false });
}

/**
 * A node whose log is another one than it had: it was installed anew, or two machines were set up with one identity before either had a
 * database. Either way it is not the replica whose cursors are kept under the node's name.
 */
async function otherLog(storage: ReplicaStorage, node: string, head: LogHead | undefined): Promise<string | null> {
  if (head === undefined) return null;
  const known = (await storage.receivedCursors(node)).find(({ tenant }) => tenant === head.tenant);
  return known === undefined || known.incarnation === head.incarnation ? null : head.incarnation;
}

async function readPositions(
  { storage }: SessionPorts,
  peer: string,
  ours: readonly string[],
): Promise<Pick<Positions, "heads" | "received" | "acknowledged" | "staged">> {
  const heads = await storage.heads(ours);
  const received = await storage.receivedCursors(peer);
  const acknowledged = await storage.acknowledgedCursors(peer);
  return { heads, received, acknowledged, staged: await storage.stagedCommits(peer) };
}

/** What a child tells its parent, and what it has to remember of earlier sessions. */
async function childPositions(
  ports: SessionPorts,
  parent: { readonly node: string; readonly tenant: string },
  sharedTenant: string,
  version: number,
): Promise<Positions> {
  const { storage } = ports;
  const { node, tenant } = parent;
  const unfinished = await Promise.all(
    [sharedTenant, tenant].map(async (of) => await storage.unfinishedSnapshot(node, of, version)),
  );
  return {
    ...nowhere,
    ...(await readPositions(ports, node, [tenant])),
    unfinished: unfinished.filter((item) => item !== null),
    granted: await storage.grantedBy(node, tenant),
    copy: await storage.copyId(),
    lives: await storage.lives([tenant]),
    horizons: await storage.horizons([tenant]),
  };
}

async function readLog({ ports }: AnswerOptions, effect: EffectOf<"read-log">): Promise<SessionEvent> {
  const { request, generation, chainAfter, sendEmpty } = effect;
  const slice = await ports.storage.readLog(request);
  const { tenant, upTo, head } = slice;
  const messages = slice.commits.length === 0 && !sendEmpty ? [] : encodeSlice({ ...slice, after: chainAfter });
  return work({ type: "slice-read", tenant, generation, upTo, head, messages, large: slice.large ?? null });
}

/** A commit of which nothing is for the peer makes no message at all. */
async function readPart({ ports }: AnswerOptions, effect: EffectOf<"read-part">): Promise<SessionEvent> {
  const { request, generation, chainAfter, index, skip } = effect;
  const { tenant, position } = request;
  const { incarnation, head, commit, place, last, mark } = await ports.storage.readPart(request);
  const slice = { tenant, incarnation, after: chainAfter, upTo: position, head, commits: [commit], ...(mark && { mark }) };
  const empty = index === 0 && last && commit.changes.length === 0;
  const message = skip || empty ? null : encodeFrame({ type: "part", slice, index, last, digest: place.digest });
  return work({ type: "part-read", tenant, generation, head, message, place, last });
}

async function beginSnapshot(
  { ports }: AnswerOptions,
  { tenant, generation }: EffectOf<"begin-snapshot">,
): Promise<SessionEvent> {
  const [head] = await ports.storage.heads([tenant]);
  if (head === undefined) throw new HayloftError("unavailable", { reason: "no-log" });
  const { incarnation, position } = head;
  return work({ type: "snapshot-begun", tenant, generation, at: { tenant, incarnation, position } });
}

async function readPage({ ports }: AnswerOptions, effect: EffectOf<"read-page">): Promise<SessionEvent> {
  const { tenant, generation, grant, at, cursor, bytesMax, peerVersion, tables } = effect;
  const chunk = await ports.storage.readSnapshot(grant, tenant, cursor, bytesMax, { peerVersion, tables });
  const message = chunk === null ? null : encodeFrame({ type: "page", at, chunk });
  return work({ type: "page-read", tenant, generation, message, next: chunk?.next ?? null });
}
