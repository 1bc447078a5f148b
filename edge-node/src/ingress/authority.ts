import type { SqlSession } from "@hayloft/engine";
import { HayloftError } from "@hayloft/engine";
import type { Message, RefusalReason } from "@hayloft/schema";
import { stationOf } from "./ingress-message.ts";

/** Who speaks, and from where. */
export interface Sender {
  readonly device_id: string;
  readonly station_id: string | null;
  readonly farm_id: string;
  readonly barn_id: string;
  /** What it says refers to the barn's row, so that must be here and belong to the farm. */
  readonly needsBarn: boolean;
}

interface ListEntry {
  readonly farm: string | null;
  readonly barn: string | null;
  readonly enabled: boolean;
  readonly blocked: boolean;
}

/**
 * What the registry says about the senders of a group of messages: read in the group's own transaction, so that a device
 * that was disabled or blocked a moment ago is refused.
 */
export class Authority {
  readonly tenantActive: boolean;
  readonly #filling: boolean;
  readonly #devices: ReadonlyMap<string, ListEntry>;
  readonly #stations: ReadonlyMap<string, ListEntry>;
  readonly #barns: ReadonlyMap<string, string>;

  constructor(parts: {
    readonly tenantActive: boolean;
    /** True while the node's first snapshot is coming in, so that what is missing may still come. */
    readonly filling: boolean;
    readonly devices: ReadonlyMap<string, ListEntry>;
    readonly stations: ReadonlyMap<string, ListEntry>;
    /** Barn id → its farm's id. */
    readonly barns: ReadonlyMap<string, string>;
  }) {
    this.tenantActive = parts.tenantActive;
    this.#filling = parts.filling;
    this.#devices = parts.devices;
    this.#stations = parts.stations;
    this.#barns = parts.barns;
  }

  /**
   * Why the sender may not say this, or null. A weigh message needs its station and its device; deny wins. Throws
   * `unavailable` for what the first snapshot may still bring: a refusal is for good.
   */
  refusalOf(sender: Sender): { readonly reason: RefusalReason; readonly detail: string } | null {
    const refusal = this.#refusalOf(sender);
    const mayStillCome = refusal?.reason === "not-allowed" || (refusal?.detail === "barn" && !this.#barns.has(sender.barn_id));
    if (this.#filling && mayStillCome) throw new HayloftError("unavailable", { reason: "the first snapshot is coming in" });
    return refusal;
  }

  #refusalOf(sender: Sender): { readonly reason: RefusalReason; readonly detail: string } | null {
    if (!this.tenantActive) return { reason: "tenant-unknown", detail: "tenant" };
    const device = entryRefusal(this.#devices.get(sender.device_id), sender);
    if (device !== null) return { reason: device, detail: "device" };
    if (sender.station_id !== null) {
      const refusal = entryRefusal(this.#stations.get(sender.station_id), sender);
      if (refusal !== null) return { reason: refusal, detail: "station" };
    }
    if (!sender.needsBarn) return null;
    return this.#barns.get(sender.barn_id) === sender.farm_id ? null : { reason: "wrong-place", detail: "barn" };
  }
}

/** The sender of a message. Sessions and feed refer to the barn's row; readings do not and never wait for it. */
export function senderOf(message: Message): Sender {
  const station_id = stationOf(message);
  const needsBarn = station_id !== null || message.event_type === "feed.dispensed" || isSiloReading(message);
  return { device_id: message.device_id, station_id, farm_id: message.farm_id, barn_id: message.barn_id, needsBarn };
}

/** A reading of a silo's weight, from which feed intake is derived. */
export function isSiloReading(message: Message): boolean {
  return message.topic.kind === "telemetry" && message.topic.metric === "silo.weight";
}

function entryRefusal(entry: ListEntry | undefined, sender: Sender): RefusalReason | null {
  if (entry?.blocked === true) return "blocked-on-site";
  if (entry === undefined) return "not-allowed";
  if (!entry.enabled) return "disabled";
  const placed = (entry.farm === null || entry.farm === sender.farm_id) && (entry.barn === null || entry.barn === sender.barn_id);
  return placed ? null : "wrong-place";
}

interface AuthorityRow {
  readonly kind: "tenant" | "filling" | "device" | "station" | "barn";
  readonly id: string;
  readonly farm_id: string | null;
  readonly barn_id: string | null;
  readonly enabled: boolean | null;
  readonly blocked: boolean;
}

const LIST_COLUMNS = "list.farm_id, list.barn_id, list.enabled, blocked.subject_id is not null";

/** One statement for all that has to be known: a round trip to the store costs more than the rows. */
const AUTHORITY_SQL = `
select 'tenant' as kind, tenant_id as id, null::text as farm_id, null::text as barn_id, status = 'active' as enabled, false as blocked
from tenants where tenant_id = $1
union all
select 'filling', tenant_id, null, null, true, false from hayloft.peer
where tenant_id = $1 and relation = 'parent' and snapshot_cursor is not null and received_position is null
union all
select 'device', wanted.id, ${LIST_COLUMNS}
from unnest($2::text[]) as wanted (id)
left join device_allowlist as list on list.tenant_id = $1 and list.device_id = wanted.id
left join site_block_list as blocked on blocked.tenant_id = $1 and blocked.kind = 'device' and blocked.subject_id = wanted.id
where list.device_id is not null or blocked.subject_id is not null
union all
select 'station', wanted.id, ${LIST_COLUMNS}
from unnest($3::text[]) as wanted (id)
left join station_allowlist as list on list.tenant_id = $1 and list.station_id = wanted.id
left join site_block_list as blocked on blocked.tenant_id = $1 and blocked.kind = 'station' and blocked.subject_id = wanted.id
where list.station_id is not null or blocked.subject_id is not null
union all
select 'barn', id, farm_id, null, true, false from barns where tenant_id = $1 and id = any($4::text[])`;

/**
 * Reads what is needed to judge these senders. Throws `unavailable` while the node has never heard of its own tenant: before
 * the first sync nobody can be judged.
 */
export async function loadAuthority(tx: SqlSession, tenant: string, senders: readonly Sender[]): Promise<Authority> {
  const { rows } = await tx.query<AuthorityRow>(AUTHORITY_SQL, [
    tenant,
    [...new Set(senders.map((sender) => sender.device_id))],
    [...new Set(senders.flatMap((sender) => sender.station_id ?? []))],
    [...new Set(senders.map((sender) => sender.barn_id))],
  ]);
  const own = rows.find((row) => row.kind === "tenant");
  // Refusing now would lose messages that are right; a device keeps what is not acknowledged.
  if (own === undefined) throw new HayloftError("unavailable", { reason: "this node has no master data yet" });
  const listOf = (kind: AuthorityRow["kind"]): ReadonlyMap<string, ListEntry> =>
    new Map(
      rows
        .filter((row) => row.kind === kind)
        .map((row) => [row.id, { farm: row.farm_id, barn: row.barn_id, enabled: row.enabled ?? false, blocked: row.blocked }]),
    );
  return new Authority({
    tenantActive: own.enabled === true,
    filling: rows.some((row) => row.kind === "filling"),
    devices: listOf("device"),
    stations: listOf("station"),
    barns: new Map(rows.flatMap((row) => (row.kind === "barn" && row.farm_id !== null ? [[row.id, row.farm_id] as const] : []))),
  });
}
