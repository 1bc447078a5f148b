import type { Database } from "@hayloft/engine";
import { HayloftError, newId } from "@hayloft/engine";
import { administer, oneRow } from "./admin-error.ts";
import { farmOfBarn } from "./places.ts";
import { requireTenant } from "./tenants.ts";

export interface Batch {
  readonly tenant: string;
  readonly farm: string;
  readonly barn: string;
  readonly id: string;
  readonly species: string;
  readonly start_date: string;
  readonly end_date: string | null;
  readonly status: string;
}

const BATCH = "tenant_id as tenant, farm_id as farm, barn_id as barn, id, species, start_date, end_date, status";

/** Starts a batch in a barn. `startDate` is `YYYY-MM-DD`. Throws `not-found`, `name-taken` for the id, `request-invalid`. */
export async function createBatch(
  database: Database,
  batch: {
    readonly tenant: string;
    readonly barn: string;
    readonly species: string;
    readonly startDate: string;
    readonly id?: string;
  },
): Promise<Batch> {
  return await administer("batch", async () => {
    const farm = await farmOfBarn(database, batch.tenant, batch.barn);
    const id = batch.id ?? newId();
    const { rows } = await database.query<Batch>(
      `insert into batches (tenant_id, farm_id, barn_id, id, species, start_date) values ($1, $2, $3, $4, $5, $6) returning ${BATCH}`,
      [batch.tenant, farm, batch.barn, id, batch.species, batch.startDate],
    );
    return oneRow(rows, "batch", id);
  });
}

/** Completes or cancels an active batch: its status only moves forward. Throws `not-found`, or `request-invalid` when it has ended. */
export async function closeBatch(
  database: Database,
  batch: { readonly tenant: string; readonly id: string; readonly endDate: string; readonly status?: "completed" | "cancelled" },
): Promise<Batch> {
  return await administer("batch", async () => {
    const { rows } = await database.query<Batch>(
      `update batches set status = $3, end_date = $4, updated_at = now() where tenant_id = $1 and id = $2 and status = 'active' returning ${BATCH}`,
      [batch.tenant, batch.id, batch.status ?? "completed", batch.endDate],
    );
    if (rows.length === 0) {
      const found = await database.query<{ status: string }>("select status from batches where tenant_id = $1 and id = $2", [
        batch.tenant,
        batch.id,
      ]);
      throw new HayloftError("request-invalid", {
        what: "batch",
        id: batch.id,
        status: oneRow(found.rows, "batch", batch.id).status,
      });
    }
    return oneRow(rows, "batch", batch.id);
  });
}

export async function listBatches(database: Database, tenant: string): Promise<readonly Batch[]> {
  await requireTenant(database, tenant);
  return (await database.query<Batch>(`select ${BATCH} from batches where tenant_id = $1 order by start_date desc, id`, [tenant]))
    .rows;
}
