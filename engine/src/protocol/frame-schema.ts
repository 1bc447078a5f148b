import type { Change } from "../commit/commit.ts";
import { OUTCOMES } from "../commit/commit.ts";
import { HASH_BYTES } from "../commit/commit-hash.ts";
import type { ErrorCode } from "../error/error-codes.ts";
import { errorCodes } from "../error/error-codes.ts";
import type { ErrorDetails } from "../error/hayloft-error.ts";
import type {
  ChainPoint,
  CommitOutcome,
  Cursor,
  EndedLife,
  Grant,
  LogHead,
  LogHorizon,
  LogLife,
  StagedCommit,
} from "../replica/replica-storage.ts";
import { utf8Bytes, utf8Text } from "./batch/plain-text.ts";
import type { AckFrame, Frame, ProveFrame, ReadyFrame, SettledFrame } from "./frame.ts";
import { invalid } from "./invalid.ts";
import {
  DETAIL_CHARACTERS_MAX,
  DETAILS_MAX,
  KEY_PARTS_MAX,
  LOGS_MAX,
  MARK_BYTES,
  NAME_BYTES_MAX,
  NONCE_BYTES,
  OFFERS_MAX,
  TABLES_MAX,
  SCOPE_IDS_MAX,
  SIGNATURE_BYTES,
  TENANT_BYTES_MAX,
  URL_BYTES_MAX,
  defaultLimits,
} from "./limits.ts";
import { changeList, logSlice, snapshotChunk, snapshotCursor } from "./wire-body.ts";
import { rangeAnswer, rangeQuestion, repairAnswer, repairRequest, rowAnswer, rowQuestion } from "./wire-comparison.ts";
import type { WireType } from "./wire-type.ts";
import {
  asMap,
  bytes,
  count,
  dictionary,
  flag,
  list,
  nullable,
  oneOf,
  optional,
  record,
  stamp,
  text,
  uuid,
} from "./wire-type.ts";

const name = text(NAME_BYTES_MAX, 1);
const tenant = text(TENANT_BYTES_MAX, 1);
const nonce = bytes(NONCE_BYTES);
const hash = bytes(HASH_BYTES);
const signature = bytes(SIGNATURE_BYTES);
const levels = oneOf("D0", "D1", "D2", "D3", "D4");

const logHead = record<LogHead>({ tenant, incarnation: uuid, position: count(), seq: count(), stamp });
const cursor = record<Cursor>({ tenant, incarnation: uuid, position: count(), mark: optional(bytes(MARK_BYTES)) });
const heads = list(logHead, LOGS_MAX, "logsMax");
const cursors = list(cursor, LOGS_MAX, "logsMax");
const staged = list(
  record<StagedCommit>({
    tenant,
    incarnation: uuid,
    position: count(),
    parts: count(defaultLimits.commitPartsMax),
    digest: hash,
  }),
  LOGS_MAX,
  "logsMax",
);
const lives = list(record<LogLife>({ tenant, incarnation: uuid }), LOGS_MAX, "logsMax");
const endedLives = list(record<EndedLife>({ tenant, incarnation: uuid, position: count() }), LOGS_MAX, "logsMax");
const chains = list(record<ChainPoint>({ tenant, incarnation: uuid, seq: count(), hash }), LOGS_MAX, "logsMax");
const horizons = list(
  record<LogHorizon>({ tenant, incarnation: uuid, position: count(), seq: count(), hash }),
  LOGS_MAX,
  "logsMax",
);
const extensions = list(name, OFFERS_MAX, "offersMax");

const grant = record<Grant>({
  tenant,
  tier: name,
  role: text(NAME_BYTES_MAX),
  scopes: dictionary(list(text(NAME_BYTES_MAX * 4), SCOPE_IDS_MAX, "scopeIdsMax"), KEY_PARTS_MAX, NAME_BYTES_MAX),
});

/** A code of a newer peer that this build does not know becomes `refused-other`: the commit's fate is known, its reason not. */
const outcomeCode: WireType<ErrorCode> = {
  expected: "error code",
  toWire: (value) => value,
  fromWire: (value, path) => {
    if (typeof value !== "string" || value.length > NAME_BYTES_MAX) throw invalid(path, "error code");
    return isErrorCode(value) ? value : "refused-other";
  },
};

const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(errorCodes, code);

/** An outcome, and how many of the frame's true rows' changes are its own. */
interface OutcomeHead extends Omit<CommitOutcome, "truth"> {
  readonly changes: number;
}

const outcomeHeads = record<{ readonly outcomes: readonly OutcomeHead[]; readonly truth: readonly Change[] }>({
  outcomes: list(
    record<OutcomeHead>({
      origin: uuid,
      seq: count(),
      outcome: oneOf(...OUTCOMES),
      code: nullable(outcomeCode),
      changes: count(),
    }),
    defaultLimits.ackOutcomesMax,
    "ackOutcomesMax",
  ),
  truth: changeList,
});

const ackHead = record<Omit<AckFrame, "type" | "outcomes">>({
  tenant,
  incarnation: uuid,
  position: count(),
  level: levels,
  top: flag,
});

/** The true rows of all outcomes are one body, so that its limits hold for the frame. */
const ack: WireType<Omit<AckFrame, "type">> = {
  expected: `${ackHead.expected} with ${outcomeHeads.expected}`,
  toWire: (value, path, limits) => ({
    ...asMap(ackHead.toWire(value, path, limits), path),
    ...asMap(
      outcomeHeads.toWire(
        {
          outcomes: value.outcomes.map(({ truth, ...head }) => ({ ...head, changes: truth.length })),
          truth: value.outcomes.flatMap((outcome) => outcome.truth),
        },
        path,
        limits,
      ),
      path,
    ),
  }),
  fromWire: (value, path, limits) => {
    const { outcomes, truth } = outcomeHeads.fromWire(value, path, limits);
    let at = 0;
    const own = outcomes.map(({ changes, ...head }) => {
      at += changes;
      return { ...head, truth: truth.slice(at - changes, at) };
    });
    if (at !== truth.length) throw invalid("truth", "as many changes as the outcomes name");
    return { ...ackHead.fromWire(value, path, limits), outcomes: own };
  },
};

const detailText = { expected: `text of up to ${String(DETAIL_CHARACTERS_MAX)} characters` };

/** Texts that explain something to a person: the sender cuts what is too long, rather than fail while it reports a failure. */
const message: WireType<string> = {
  expected: detailText.expected,
  toWire: (value) => utf8Text(utf8Bytes(value.slice(0, DETAIL_CHARACTERS_MAX))),
  fromWire: (value, path) => {
    if (typeof value !== "string" || value.length > DETAIL_CHARACTERS_MAX) throw invalid(path, detailText.expected);
    return value;
  },
};

const details: WireType<ErrorDetails> = {
  expected: `map of up to ${String(DETAILS_MAX)} [name: text | number | true or false | null]`,
  toWire: (value, path, limits) =>
    Object.fromEntries(
      Object.entries(value)
        .slice(0, DETAILS_MAX)
        .map(([key, item]) => [
          key.slice(0, NAME_BYTES_MAX),
          typeof item === "string" ? message.toWire(item, path, limits) : item,
        ]),
    ),
  fromWire: (value, path, limits) => {
    const entries = Object.entries(asMap(value, path));
    if (entries.length > DETAILS_MAX) throw invalid(path, details.expected);
    return Object.fromEntries(
      entries.map(([key, item]) => {
        if (item === null || typeof item === "boolean" || (typeof item === "number" && Number.isFinite(item))) return [key, item];
        return [key, message.fromWire(item, `${path}.*`, limits)];
      }),
    );
  },
};

const settled = record<SettledFrame["origins"][number]>({ origin: uuid, seq: count() });

type FrameSchema = { readonly [Type in Frame["type"]]: WireType<Omit<Extract<Frame, { readonly type: Type }>, "type">> };

/** Every frame of the protocol, field by field. The order of fields does not matter; `type` is added by the codec. */
export const frameSchema: FrameSchema = {
  hello: record({
    protocols: list(count(), OFFERS_MAX, "offersMax"),
    application: name,
    catalogVersion: count(),
    catalogHash: hash,
    tenant,
    node: uuid,
    tier: name,
    nonce,
    extensions,
  }),
  welcome: record({
    protocol: count(),
    node: uuid,
    tier: name,
    catalogVersion: count(),
    catalogHash: hash,
    nonce,
    signature,
    extensions,
  }),
  prove: record<Omit<ProveFrame, "type">>({
    signature,
    nowMs: count(),
    heads,
    received: cursors,
    staged,
    credit: count(),
    copy: optional(uuid),
    lives: optional(lives),
    horizons: optional(horizons),
  }),
  ready: record<Omit<ReadyFrame, "type">>({
    grant,
    nowMs: count(),
    top: flag,
    heads,
    received: cursors,
    staged,
    credit: count(),
    pingMs: count(),
    chains: optional(chains),
    lives: optional(endedLives),
    offers: optional(list(tenant, LOGS_MAX, "logsMax")),
  }),
  commits: record({ slice: logSlice }),
  part: record({ slice: logSlice, index: count(defaultLimits.commitPartsMax - 1), last: flag, digest: hash }),
  ack,
  reject: record({ tenant, position: count(), code: name, details }),
  credit: record({ bytes: count() }),
  settled: record({ tenant, origins: list(settled, LOGS_MAX, "logsMax") }),
  snapshot: record({ tenant, cursor: nullable(snapshotCursor), tables: nullable(list(name, TABLES_MAX, "tablesMax")) }),
  page: record({ at: cursor, chunk: snapshotChunk }),
  snapshot_done: record({ at: cursor }),
  compare: record({ id: count(), question: rangeQuestion }),
  compared: record({ id: count(), answer: rangeAnswer }),
  compare_rows: record({ id: count(), question: rowQuestion }),
  rows_compared: record({ id: count(), answer: rowAnswer }),
  repair: record({ id: count(), request: repairRequest }),
  repaired: record({ id: count(), answer: repairAnswer }),
  ping: record({ nowMs: count() }),
  pong: record({ echoMs: count(), nowMs: count() }),
  drain: record({ afterMs: count(), url: nullable(text(URL_BYTES_MAX)) }),
  error: record({ code: name, message, details }),
};
