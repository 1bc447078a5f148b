import { type Database, digestTables } from "@hayloft/engine";
import type { DeviceLedger } from "@hayloft/device-simulator";
import { farmCatalog } from "@hayloft/schema";
import type { EdgeProcess } from "./edge-process.ts";

export interface Proof {
  /** Tables whose content differs between barn and hub. */
  readonly different: readonly string[];
  readonly tablesCompared: number;
  readonly rowsCompared: number;
  /** Messages that the broker acknowledged and the hub does not hold. */
  readonly lost: number;
  /** Events that the hub holds more than once. */
  readonly doubled: number;
  readonly acknowledged: number;
}

/** Tables that both tiers hold and that travel. */
const comparedTables = (): readonly string[] =>
  farmCatalog.tables
    .filter(
      ({ flow, retain, rule }) =>
        flow !== "local" && flow !== "top" && rule.kind !== "derived" && "edge" in retain && "cloud" in retain,
    )
    .map(({ name }) => name);

/**
 * Compares the two databases table by table, by digests that each computes over its own rows, and both with the devices'
 * own record of what was acknowledged to them.
 */
export const prove = async (hub: Database, edge: EdgeProcess, tenant: string, ledger: DeviceLedger): Promise<Proof> => {
  const tables = comparedTables();
  const ours = new Map((await edge.digests()).map((entry) => [entry.table, entry]));
  const theirs = await digestTables(hub, farmCatalog, tenant, tables);
  const different = theirs.filter(
    ({ table, rows, digest }) => ours.get(table)?.digest !== digest || ours.get(table)?.rows !== rows,
  );
  const telemetry = await reconcile(hub, tenant, "telemetry_raw", ledger.acknowledgedIds("telemetry"));
  const weights = await reconcile(hub, tenant, "session_weights", ledger.acknowledgedIds("weighvision.weight.recorded"));
  return {
    different: different.map(({ table, rows }) => `${table} (hub ${rows} rows, edge ${ours.get(table)?.rows ?? 0})`),
    tablesCompared: theirs.length,
    rowsCompared: theirs.reduce((sum, { rows }) => sum + rows, 0),
    lost: telemetry.lost + weights.lost,
    doubled: telemetry.doubled + weights.doubled,
    acknowledged: ledger.summary().acknowledged,
  };
};

const reconcile = async (
  hub: Database,
  tenant: string,
  table: "telemetry_raw" | "session_weights",
  acknowledged: ReadonlySet<string>,
): Promise<{ readonly lost: number; readonly doubled: number }> => {
  const { rows } = await hub.query<{ readonly lost: number; readonly doubled: number }>(
    `select (select count(*) from unnest($2::text[]) as sent(event_id)
              where not exists (select from ${table} where tenant_id = $1 and event_id = sent.event_id)) as lost,
            (select count(*) - count(distinct event_id) from ${table} where tenant_id = $1) as doubled`,
    [tenant, [...acknowledged]],
  );
  return rows[0] ?? { lost: acknowledged.size, doubled: 0 };
};
