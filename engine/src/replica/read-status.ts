import type { SqlSession } from "../store/database.ts";
import type { PeerState } from "./peer-state.ts";
import type { Cursor } from "./replica-storage.ts";
import type { Backlog, PeerStatus } from "./replica-status.ts";

interface PeerRow {
  readonly node_id: string;
  readonly tenant_id: string;
  readonly relation: "parent" | "child";
  readonly received_incarnation: string | null;
  readonly received_position: number | null;
  readonly acked_incarnation: string | null;
  readonly acked_position: number | null;
  readonly last_contact_at: Date | null;
  readonly last_error_code: string | null;
  readonly last_error_at: Date | null;
  readonly skew_ms: number | null;
}

interface BacklogRow {
  readonly commits: number;
  readonly rows: number;
  readonly bytes: number;
  readonly oldest_age_ms: number;
}

const peersSql = `select node_id, tenant_id, relation, received_incarnation, received_position, acked_incarnation, acked_position,
  last_contact_at, last_error_code, last_error_at, skew_ms from hayloft.peer order by relation desc, node_id, tenant_id`;

/** What waits for a peer in the logs of its tenants. Of a child's backlog, part may not be for its grant. */
const backlogSql = `select count(*)::int8 as commits, coalesce(sum(c.row_count), 0)::int8 as rows, coalesce(sum(c.byte_count), 0)::int8 as bytes,
  coalesce(greatest(extract(epoch from now() - min(c.sealed_at)) * 1000, 0), 0)::int8 as oldest_age_ms
  from unnest($1::text[], $2::int8[]) as asked (tenant_id, after)
  join hayloft.commit c on c.tenant_id = asked.tenant_id and c.position > asked.after and c.via is distinct from $3::uuid`;

/** Everything the database knows of the peers, joined with the sessions that are open here. */
export async function readPeers(session: SqlSession, live: readonly PeerState[]): Promise<readonly PeerStatus[]> {
  const { rows } = await session.query<PeerRow>(peersSql);
  const nodes = new Map<string, PeerRow[]>();
  for (const row of rows) nodes.set(row.node_id, [...(nodes.get(row.node_id) ?? []), row]);
  for (const { name } of live) if (!nodes.has(name)) nodes.set(name, []);
  const peers: PeerStatus[] = [];
  for (const [node, logs] of nodes) {
    const state = live.find(({ name }) => name === node);
    peers.push(peerStatus(node, logs, state, await readBacklog(session, node, logs, state)));
  }
  return peers;
}

function peerStatus(node: string, logs: readonly PeerRow[], state: PeerState | undefined, backlog: Backlog): PeerStatus {
  const errors = logs.flatMap(({ last_error_code: code, last_error_at: at }) =>
    code === null || at === null ? [] : { code, atMs: at.getTime() },
  );
  const contacts = logs.flatMap(({ last_contact_at: at }) => (at === null ? [] : at.getTime()));
  return {
    node,
    relation: state?.relation ?? logs[0]?.relation ?? "child",
    connected: state?.connected ?? false,
    state: state?.state ?? "absent",
    received: cursors(logs, "received_incarnation", "received_position"),
    acknowledged: cursors(logs, "acked_incarnation", "acked_position"),
    backlog,
    lastError: state?.lastError ?? errors.toSorted((a, b) => b.atMs - a.atMs)[0] ?? null,
    skewMs: state?.skewMs ?? logs.find((row) => row.skew_ms !== null)?.skew_ms ?? null,
    lastContactMs: contacts.length === 0 ? null : Math.max(...contacts),
  };
}

function cursors(
  logs: readonly PeerRow[],
  incarnation: "received_incarnation" | "acked_incarnation",
  position: "received_position" | "acked_position",
): readonly Cursor[] {
  return logs.flatMap((row) => {
    const of = row[incarnation];
    const at = row[position];
    return of === null || at === null ? [] : { tenant: row.tenant_id, incarnation: of, position: at };
  });
}

/** The parent is owed all of our own tenant's log, before it was ever met too; a child what follows its last acknowledgement. */
async function readBacklog(
  session: SqlSession,
  node: string,
  logs: readonly PeerRow[],
  state: PeerState | undefined,
): Promise<Backlog> {
  const owed = new Map(
    logs.flatMap((row) => (row.acked_position === null ? [] : [[row.tenant_id, row.acked_position] as const])),
  );
  if (state?.relation === "parent" && !owed.has(state.tenant)) owed.set(state.tenant, 0);
  const { rows } = await session.query<BacklogRow>(backlogSql, [[...owed.keys()], [...owed.values()], node]);
  const [row] = rows;
  return { commits: row?.commits ?? 0, rows: row?.rows ?? 0, bytes: row?.bytes ?? 0, oldestAgeMs: row?.oldest_age_ms ?? 0 };
}
